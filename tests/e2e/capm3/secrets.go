package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// secretSteps do with secrets as CAPM3 does: in protobuf, replacing all labels by their own.
func secretSteps(t *tenant) []step {
	const name, applied = "capm3-node-0-metadata", "capm3-node-0-applied"
	labels := map[string]string{clusterName: "blue"}
	began := t.exchanges.now()
	var stale *corev1.Secret

	return []step{
		{"a secret that is not there is not found", func(ctx context.Context) (string, error) {
			return refused(t.get(ctx, t.newSecret(name)), apierrors.IsNotFound)
		}},
		{"a secret is created", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			secret.Labels = maps.Clone(labels)
			secret.Type = secretType
			secret.Data = map[string][]byte{"metaData": []byte("local-hostname: node-0\n")}
			return stamped(secret, t.client.Create(ctx, secret))
		}},
		{"a secret that is there is not created again", func(ctx context.Context) (string, error) {
			return refused(t.client.Create(ctx, t.newSecret(name)), apierrors.IsAlreadyExists)
		}},
		{"a secret is read", func(ctx context.Context) (string, error) {
			stale = t.newSecret(name)
			err := t.get(ctx, stale)
			return holds(stale, err, "metaData", "local-hostname: node-0\n")
		}},
		{"an update that replaces all labels keeps the stamp", func(ctx context.Context) (string, error) {
			secret := stale.DeepCopy()
			secret.Labels = maps.Clone(labels)
			secret.Data = map[string][]byte{"metaData": []byte("local-hostname: node-1\n")}
			return holds(secret, t.client.Update(ctx, secret), "metaData", "local-hostname: node-1\n")
		}},
		{"what was updated is stored", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			err := t.get(ctx, secret)
			if err == nil && secret.Labels[clusterName] != "blue" {
				err = fmt.Errorf("labels: %v", secret.Labels)
			}
			return holds(secret, err, "metaData", "local-hostname: node-1\n")
		}},
		{"an update of what has changed since is a conflict", func(ctx context.Context) (string, error) {
			return refused(t.client.Update(ctx, stale), apierrors.IsConflict)
		}},
		{"an update without a version overwrites", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			secret.Type = secretType
			secret.Data = map[string][]byte{"metaData": []byte("local-hostname: node-2\n")}
			return holds(secret, t.client.Update(ctx, secret), "metaData", "local-hostname: node-2\n")
		}},
		{"a secret is mutated by controllerutil", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			done, err := controllerutil.CreateOrUpdate(ctx, t.client, secret, func() error {
				secret.Labels = maps.Clone(labels)
				return nil
			})
			if err == nil && done != controllerutil.OperationResultUpdated {
				err = fmt.Errorf("it was %s", done)
			}
			return stamped(secret, err)
		}},
		{"a merge patch keeps the stamp", func(ctx context.Context) (string, error) {
			return t.patchSecret(ctx, name, client.MergeFrom)
		}},
		{"a strategic merge patch keeps the stamp", func(ctx context.Context) (string, error) {
			return t.patchSecret(ctx, name, func(before client.Object) client.Patch {
				return client.StrategicMergeFrom(before)
			})
		}},
		{"a patch that takes the stamp away is refused", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			if err := t.get(ctx, secret); err != nil {
				return "", err
			}
			before := secret.DeepCopy()
			delete(secret.Labels, stamp)
			return refused(t.client.Patch(ctx, secret, client.MergeFrom(before)), apierrors.IsForbidden)
		}},
		{"an apply creates a secret", func(ctx context.Context) (string, error) {
			return t.applySecret(ctx, applied, "one")
		}},
		{"an apply changes a secret", func(ctx context.Context) (string, error) {
			return t.applySecret(ctx, applied, "two")
		}},
		{"a list by label has the secrets of the cluster", func(ctx context.Context) (string, error) {
			return t.listed(ctx, []string{name}, client.MatchingLabels(labels))
		}},
		{"a list by another label is empty", func(ctx context.Context) (string, error) {
			return t.listed(ctx, nil, client.MatchingLabels{clusterName: "another"})
		}},
		{"a list by name has one secret", func(ctx context.Context) (string, error) {
			return t.listed(ctx, []string{applied}, client.MatchingFields{"metadata.name": applied})
		}},
		{"a list comes page by page", func(ctx context.Context) (string, error) {
			return t.paged(ctx, name, applied)
		}},
		{"metadata alone is read", func(ctx context.Context) (string, error) {
			secret := metadataOf(t.newSecret(name))
			return stamped(secret, t.get(ctx, secret))
		}},
		{"metadata alone is listed", func(ctx context.Context) (string, error) {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
			err := t.client.List(ctx, list, client.InNamespace(t.namespace), client.MatchingLabels(labels))
			if err == nil && len(list.Items) != 1 {
				err = fmt.Errorf("there are %d", len(list.Items))
			}
			if err != nil {
				return "", err
			}
			return stamped(&list.Items[0], nil)
		}},
		{"metadata alone is patched", func(ctx context.Context) (string, error) {
			secret := metadataOf(t.newSecret(name))
			if err := t.get(ctx, secret); err != nil {
				return "", err
			}
			before := secret.DeepCopy()
			metav1.SetMetaDataAnnotation(&secret.ObjectMeta, "note", "patched")
			return stamped(secret, t.client.Patch(ctx, secret, client.MergeFrom(before)))
		}},
		{"a dry run deletes nothing", func(ctx context.Context) (string, error) {
			dry := client.NewDryRunClient(t.client)
			if err := dry.Delete(ctx, t.newSecret(name)); err != nil {
				return "", err
			}
			secret := t.newSecret(name)
			return stamped(secret, t.get(ctx, secret))
		}},
		{"a delete of another object by that name is a conflict", func(ctx context.Context) (string, error) {
			other := client.Preconditions{UID: new(stale.UID + "-other")}
			return refused(t.client.Delete(ctx, t.newSecret(name), other), apierrors.IsConflict)
		}},
		{"a secret is deleted", func(ctx context.Context) (string, error) {
			secret := t.newSecret(name)
			same := client.Preconditions{UID: &stale.UID}
			if err := t.client.Delete(ctx, secret, same); err != nil {
				return "", err
			}
			return t.gone(ctx, secret)
		}},
		{"a delete of what is gone is not found", func(ctx context.Context) (string, error) {
			return refused(t.client.Delete(ctx, t.newSecret(name)), apierrors.IsNotFound)
		}},
		{"an update of what is gone is not found", func(ctx context.Context) (string, error) {
			return refused(t.client.Update(ctx, stale), apierrors.IsNotFound)
		}},
		{"the applied secret is deleted", func(ctx context.Context) (string, error) {
			secret := t.newSecret(applied)
			if err := t.client.Delete(ctx, secret); err != nil {
				return "", err
			}
			return t.gone(ctx, secret)
		}},
		{"secrets are sent as protobuf", func(context.Context) (string, error) {
			return t.exchanged(began, func(e exchange) string { return e.Sent }, "POST", "PUT", "DELETE")
		}},
		{"secrets are received as protobuf where the cluster speaks it", func(context.Context) (string, error) {
			if !t.real {
				return "a stand-in speaks JSON alone", nil
			}
			return t.exchanged(began, func(e exchange) string { return e.Received }, "GET", "POST", "PUT", "PATCH")
		}},
	}
}

// stamped is whether the proxy's label is on an object that was just read or written.
func stamped(object client.Object, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if _, found := object.GetLabels()[stamp]; !found {
		return "", fmt.Errorf("no stamp, only %v", object.GetLabels())
	}
	return "version " + object.GetResourceVersion(), nil
}

// holds is stamped, with a value in the data.
func holds(secret *corev1.Secret, err error, key, value string) (string, error) {
	if err == nil && string(secret.Data[key]) != value {
		err = fmt.Errorf("%s is %q", key, secret.Data[key])
	}
	return stamped(secret, err)
}

func metadataOf(secret *corev1.Secret) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{ObjectMeta: secret.ObjectMeta}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return metadata
}

func (t *tenant) patchSecret(ctx context.Context, name string, from patchFrom) (string, error) {
	secret := t.newSecret(name)
	if err := t.get(ctx, secret); err != nil {
		return "", err
	}
	before := secret.DeepCopy()
	secret.Data["patched"] = append(before.Data["patched"], '+')
	return holds(secret, t.client.Patch(ctx, secret, from(before)), "patched", string(before.Data["patched"])+"+")
}

func (t *tenant) applySecret(ctx context.Context, name, value string) (string, error) {
	wanted := applycorev1.Secret(name, t.namespace).WithData(map[string][]byte{"key": []byte(value)})
	if err := t.client.Apply(ctx, wanted, client.FieldOwner(owner), client.ForceOwnership); err != nil {
		return "", err
	}
	secret := t.newSecret(name)
	return holds(secret, t.get(ctx, secret), "key", value)
}

// listed is whether a list has just the secrets of these names.
func (t *tenant) listed(ctx context.Context, names []string, options ...client.ListOption) (string, error) {
	list := &corev1.SecretList{}
	if err := t.client.List(ctx, list, append(options, client.InNamespace(t.namespace))...); err != nil {
		return "", err
	}
	var found []string
	for _, secret := range list.Items {
		found = append(found, secret.Name)
	}
	if !slices.Equal(found, names) {
		return "", fmt.Errorf("the list has %v", found)
	}
	return fmt.Sprint(found), nil
}

// paged is whether pages of one secret have these and not the one that is not the tenant's.
func (t *tenant) paged(ctx context.Context, names ...string) (string, error) {
	var found []string
	list := &corev1.SecretList{}
	for {
		next := client.Continue(list.Continue)
		list = &corev1.SecretList{}
		if err := t.client.List(ctx, list, client.InNamespace(t.namespace), client.Limit(1), next); err != nil {
			return "", err
		}
		if len(list.Items) > 1 {
			return "", errors.New("a page has more than one")
		}
		for _, secret := range list.Items {
			found = append(found, secret.Name)
		}
		if list.Continue == "" {
			break
		}
	}
	for _, name := range names {
		if !slices.Contains(found, name) {
			return "", fmt.Errorf("the pages have %v", found)
		}
	}
	if slices.Contains(found, t.foreign) {
		return "", fmt.Errorf("the pages have %s", t.foreign)
	}
	return fmt.Sprint(found), nil
}

// exchanged is whether the successes by these methods were in protobuf. Only applies are not:
// the types that controller-runtime reads their answers into are those of JSON.
func (t *tenant) exchanged(since int, media func(exchange) string, methods ...string) (string, error) {
	count := 0
	for _, each := range t.exchanges.since(since, "/secrets") {
		asked := strings.HasPrefix(each.Asked, runtime.ContentTypeProtobuf)
		if !asked || each.Code >= 300 || !slices.Contains(methods, each.Method) {
			continue
		}
		if media(each) != runtime.ContentTypeProtobuf {
			return "", fmt.Errorf("%s %s: %s", each.Method, each.Target, media(each))
		}
		count++
	}
	// None at all would mean that the client has changed its ways.
	if count < len(methods) {
		return "", fmt.Errorf("only %d of them", count)
	}
	return fmt.Sprintf("%d of them", count), nil
}
