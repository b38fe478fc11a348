package main

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"hostclaim-proxy/tests/e2e/capm3/metal3"
)

// finalizer is Metal3's, of every claim that has a host or may get one.
const finalizer = "metal3.io/hostclaim"

// claimSteps lead claims from their creation to their end.
func claimSteps(t *tenant) []step {
	const name, applied, userData = "capm3-node-0", "capm3-node-0-applied", "capm3-node-0-userdata"
	strict := client.WithFieldValidation(t.client, metav1.FieldValidationStrict)
	var stale *metal3.HostClaim

	// changed reads the claim, changes it and sends what has changed.
	changed := func(ctx context.Context, change func(*metal3.HostClaim), from patchFrom) error {
		claim := t.newClaim(name)
		if err := t.get(ctx, claim); err != nil {
			return err
		}
		before := claim.DeepCopy()
		change(claim)
		return t.client.Patch(ctx, claim, from(before))
	}

	return []step{
		{"the secret of a claim is created", func(ctx context.Context) (string, error) {
			secret := t.newSecret(userData)
			secret.Data = map[string][]byte{"value": []byte("#cloud-config\n")}
			return stamped(secret, t.client.Create(ctx, secret))
		}},
		{"a dry run creates no claim", func(ctx context.Context) (string, error) {
			if err := client.NewDryRunClient(t.client).Create(ctx, t.newClaim(name)); err != nil {
				return "", err
			}
			return refused(t.get(ctx, t.newClaim(name)), apierrors.IsNotFound)
		}},
		{"a claim is created under strict validation", func(ctx context.Context) (string, error) {
			claim := t.newClaim(name)
			claim.Spec.PoweredOn = true
			claim.Spec.UserData = &corev1.SecretReference{Name: userData, Namespace: t.namespace}
			return version(claim, strict.Create(ctx, claim))
		}},
		{"a claim that is there is not created again", func(ctx context.Context) (string, error) {
			return refused(t.client.Create(ctx, t.newClaim(name)), apierrors.IsAlreadyExists)
		}},
		{"a claim gets a name where it has only a prefix", func(ctx context.Context) (string, error) {
			claim := t.newClaim("")
			claim.GenerateName = name + "-"
			if err := t.client.Create(ctx, claim); err != nil {
				return "", err
			}
			return claim.Name, t.client.Delete(ctx, claim)
		}},
		{"a claim is bound, as its status says", func(ctx context.Context) (string, error) {
			stale = t.newClaim(name)
			err := eventually(ctx, func(ctx context.Context) (bool, error) {
				err := t.get(ctx, stale)
				return stale.Status.BareMetalHost != nil, err
			})
			if err != nil {
				return "", fmt.Errorf("%w: %v", err, stale.Status)
			}
			return fmt.Sprint(*stale.Status.BareMetalHost), nil
		}},
		{"the status is read on its own", func(ctx context.Context) (string, error) {
			read := &metal3.HostClaim{}
			if err := t.client.SubResource("status").Get(ctx, stale, read); err != nil {
				return "", err
			}
			if read.Status.BareMetalHost == nil {
				return "", errors.New("it has no host")
			}
			return read.Status.BareMetalHost.Name, nil
		}},
		{"a claim is merge-patched", func(ctx context.Context) (string, error) {
			return "", changed(ctx, func(claim *metal3.HostClaim) {
				metav1.SetMetaDataLabel(&claim.ObjectMeta, clusterName, "blue")
			}, client.MergeFrom)
		}},
		{"a claim is merge-patched under an optimistic lock", func(ctx context.Context) (string, error) {
			return "", changed(ctx, func(claim *metal3.HostClaim) { claim.Spec.PoweredOn = false }, locked)
		}},
		{"a merge patch of what has changed since is a conflict", func(ctx context.Context) (string, error) {
			claim := stale.DeepCopy()
			claim.Spec.PoweredOn = false
			return refused(t.client.Patch(ctx, claim, locked(stale)), apierrors.IsConflict)
		}},
		{"an update of a claim that has changed since is a conflict", func(ctx context.Context) (string, error) {
			return refused(t.client.Update(ctx, stale.DeepCopy()), apierrors.IsConflict)
		}},
		{"a claim is updated unstructured", func(ctx context.Context) (string, error) {
			claim := unstructuredClaim(t.namespace, name)
			if err := t.get(ctx, claim); err != nil {
				return "", err
			}
			if err := unstructured.SetNestedField(claim.Object, true, "spec", "poweredOn"); err != nil {
				return "", err
			}
			return version(claim, t.client.Update(ctx, claim))
		}},
		{"claims are listed by label", func(ctx context.Context) (string, error) {
			list := &metal3.HostClaimList{}
			options := []client.ListOption{client.InNamespace(t.namespace), client.MatchingLabels{clusterName: "blue"}}
			if err := t.client.List(ctx, list, options...); err != nil {
				return "", err
			}
			if len(list.Items) != 1 || !list.Items[0].Spec.PoweredOn {
				return "", fmt.Errorf("the list has %v", list.Items)
			}
			return list.ResourceVersion, nil
		}},
		{"an update of the status is forbidden", func(ctx context.Context) (string, error) {
			claim := stale.DeepCopy()
			claim.Status.PoweredOn = new(true)
			return refused(t.client.Status().Update(ctx, claim), apierrors.IsForbidden)
		}},
		{"a patch of the status is forbidden", func(ctx context.Context) (string, error) {
			claim := stale.DeepCopy()
			claim.Status.BareMetalHost.Name = "another"
			return refused(t.client.Status().Patch(ctx, claim, client.MergeFrom(stale)), apierrors.IsForbidden)
		}},
		{"an apply of the status is forbidden", func(ctx context.Context) (string, error) {
			wanted := client.ApplyConfigurationFromUnstructured(unstructuredClaim(t.namespace, name))
			return refused(t.client.Status().Apply(ctx, wanted, client.FieldOwner(owner)), apierrors.IsForbidden)
		}},
		{"a reference into another namespace is forbidden", func(ctx context.Context) (string, error) {
			return blamed(changed(ctx, func(claim *metal3.HostClaim) {
				claim.Spec.UserData.Namespace = t.elsewhere
			}, client.MergeFrom), "spec.userData.namespace")
		}},
		{"a reference to a secret of somebody else is forbidden", func(ctx context.Context) (string, error) {
			return blamed(changed(ctx, func(claim *metal3.HostClaim) {
				claim.Spec.MetaData = &corev1.SecretReference{Name: t.foreign}
			}, client.MergeFrom), "spec.metaData.name")
		}},
		{"a finalizer of one's own is forbidden", func(ctx context.Context) (string, error) {
			return blamed(changed(ctx, func(claim *metal3.HostClaim) {
				controllerutil.AddFinalizer(claim, "infrastructure.cluster.x-k8s.io/capm3")
			}, client.MergeFrom), "metadata.finalizers")
		}},
		{"the removal of Metal3's finalizer is forbidden", func(ctx context.Context) (string, error) {
			return blamed(changed(ctx, func(claim *metal3.HostClaim) {
				controllerutil.RemoveFinalizer(claim, finalizer)
			}, client.MergeFrom), "metadata.finalizers")
		}},
		{"an owner that the cluster does not have is forbidden", func(ctx context.Context) (string, error) {
			return blamed(changed(ctx, func(claim *metal3.HostClaim) {
				claim.OwnerReferences = []metav1.OwnerReference{{
					APIVersion: "infrastructure.cluster.x-k8s.io/v1beta1", Kind: "Metal3Machine",
					Name: "node-0", UID: types.UID("5f8d1c1e-0000-4000-8000-000000000000"),
				}}
			}, client.MergeFrom), "metadata.ownerReferences[0]")
		}},
		{"an apply creates a claim", func(ctx context.Context) (string, error) {
			return t.applyClaim(ctx, applied, false)
		}},
		{"an apply changes a claim", func(ctx context.Context) (string, error) {
			return t.applyClaim(ctx, applied, true)
		}},
		{"an apply that forces nothing is a conflict with another owner", func(ctx context.Context) (string, error) {
			wanted := client.ApplyConfigurationFromUnstructured(wantedClaim(t.namespace, applied, false))
			return refused(t.client.Apply(ctx, wanted, client.FieldOwner("somebody-else")), apierrors.IsConflict)
		}},
		{"a claim that the schema forbids is invalid", func(ctx context.Context) (string, error) {
			claim := unstructuredClaim(t.namespace, "capm3-invalid")
			claim.Object["spec"] = map[string]any{"poweredOn": "yes"}
			return refused(t.client.Create(ctx, claim), apierrors.IsInvalid)
		}},
		{"a delete of all claims is forbidden", func(ctx context.Context) (string, error) {
			err := t.client.DeleteAllOf(ctx, &metal3.HostClaim{}, client.InNamespace(t.namespace))
			return refused(err, apierrors.IsForbidden)
		}},
		{"a claim is deleted, and gone once its host is released", func(ctx context.Context) (string, error) {
			return t.deleted(ctx, t.newClaim(name))
		}},
		{"the applied claim is deleted", func(ctx context.Context) (string, error) {
			return t.deleted(ctx, t.newClaim(applied))
		}},
		{"the secret of the claim is deleted", func(ctx context.Context) (string, error) {
			return t.deleted(ctx, t.newSecret(userData))
		}},
	}
}

type patchFrom func(client.Object) client.Patch

// locked is a merge patch that holds for the version that it was made from.
func locked(before client.Object) client.Patch {
	return client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
}

func version(object client.Object, err error) (string, error) {
	return "version " + object.GetResourceVersion(), err
}

func unstructuredClaim(namespace, name string) *unstructured.Unstructured {
	claim := &unstructured.Unstructured{}
	claim.SetGroupVersionKind(metal3.GroupVersion.WithKind("HostClaim"))
	claim.SetNamespace(namespace)
	claim.SetName(name)
	return claim
}

func wantedClaim(namespace, name string, poweredOn bool) *unstructured.Unstructured {
	claim := unstructuredClaim(namespace, name)
	claim.Object["spec"] = map[string]any{"poweredOn": poweredOn}
	return claim
}

func (t *tenant) applyClaim(ctx context.Context, name string, poweredOn bool) (string, error) {
	wanted := client.ApplyConfigurationFromUnstructured(wantedClaim(t.namespace, name, poweredOn))
	if err := t.client.Apply(ctx, wanted, client.FieldOwner(owner), client.ForceOwnership); err != nil {
		return "", err
	}
	claim := t.newClaim(name)
	err := t.get(ctx, claim)
	if err == nil && claim.Spec.PoweredOn != poweredOn {
		err = fmt.Errorf("poweredOn is %t", claim.Spec.PoweredOn)
	}
	return version(claim, err)
}

func (t *tenant) deleted(ctx context.Context, object client.Object) (string, error) {
	if err := t.client.Delete(ctx, object); err != nil {
		return "", err
	}
	return t.gone(ctx, object)
}
