package main

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hostclaim-proxy/tests/e2e/capm3/metal3"
)

// refusalSteps try what a tenant may not, and look at the errors as controllers do.
func refusalSteps(t *tenant) []step {
	elsewhere := client.InNamespace(t.elsewhere)
	foreign := t.newSecret(t.foreign)
	return []step{
		{"claims elsewhere are forbidden, with the namespaces one has", func(ctx context.Context) (string, error) {
			return t.sentHome(t.client.List(ctx, &metal3.HostClaimList{}, elsewhere))
		}},
		{"secrets elsewhere are forbidden, with the namespaces one has", func(ctx context.Context) (string, error) {
			return t.sentHome(t.client.List(ctx, &corev1.SecretList{}, elsewhere))
		}},
		{"a claim elsewhere is forbidden", func(ctx context.Context) (string, error) {
			claim := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: t.elsewhere, Name: "capm3"}}
			return t.sentHome(t.client.Create(ctx, claim))
		}},
		{"a secret elsewhere is forbidden", func(ctx context.Context) (string, error) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: t.elsewhere, Name: "capm3"}}
			return t.sentHome(t.client.Create(ctx, secret))
		}},
		{"what is not served is forbidden", func(ctx context.Context) (string, error) {
			pods := t.dynamic.Resource(corev1.SchemeGroupVersion.WithResource("pods"))
			_, err := pods.Namespace(t.namespace).List(ctx, metav1.ListOptions{})
			return refused(err, apierrors.IsForbidden)
		}},
		{"the token of a service account is never minted", func(ctx context.Context) (string, error) {
			secret := t.newSecret("capm3-token")
			secret.Type = corev1.SecretTypeServiceAccountToken
			secret.Annotations = map[string]string{corev1.ServiceAccountNameKey: "default"}
			return blamed(t.client.Create(ctx, secret), "type")
		}},
		{"the type of a secret is never another", func(ctx context.Context) (string, error) {
			secret := t.newSecret("capm3-basic-auth")
			secret.Type = corev1.SecretTypeBasicAuth
			return blamed(t.client.Create(ctx, secret), "type")
		}},
		{"a secret of somebody else is not found", func(ctx context.Context) (string, error) {
			return refused(t.get(ctx, foreign.DeepCopy()), apierrors.IsNotFound)
		}},
		{"nor is its metadata", func(ctx context.Context) (string, error) {
			return refused(t.get(ctx, metadataOf(foreign)), apierrors.IsNotFound)
		}},
		{"nor is it by an update", func(ctx context.Context) (string, error) {
			return refused(t.client.Update(ctx, foreign.DeepCopy()), apierrors.IsNotFound)
		}},
		{"nor is it by a patch", func(ctx context.Context) (string, error) {
			secret := foreign.DeepCopy()
			secret.Labels = map[string]string{clusterName: "blue"}
			return refused(t.client.Patch(ctx, secret, client.MergeFrom(foreign)), apierrors.IsNotFound)
		}},
		{"nor is it by a delete", func(ctx context.Context) (string, error) {
			return refused(t.client.Delete(ctx, foreign.DeepCopy()), apierrors.IsNotFound)
		}},
		{"nor is it in a list by its name", func(ctx context.Context) (string, error) {
			return t.listed(ctx, nil, client.MatchingFields{"metadata.name": t.foreign})
		}},
		{"a stranger is unauthorized", func(ctx context.Context) (string, error) {
			config := rest.AnonymousClientConfig(t.config)
			config.BearerToken = "not-a-token"
			config.Wrap(t.exchanges.recorded)
			stranger, err := client.New(config, client.Options{Scheme: t.client.Scheme(), Mapper: t.client.RESTMapper()})
			if err != nil {
				return "", err
			}
			err = stranger.Get(ctx, client.ObjectKeyFromObject(foreign), &corev1.Secret{})
			return refused(err, apierrors.IsUnauthorized)
		}},
	}
}

// sentHome is refused as forbidden, in words that name the tenant's namespace.
func (t *tenant) sentHome(err error) (string, error) {
	detail, err := refused(err, apierrors.IsForbidden)
	if err == nil && !strings.Contains(detail, t.namespace) {
		err = fmt.Errorf("it does not say that %s is yours: %s", t.namespace, detail)
	}
	return detail, err
}
