package main

import (
	"context"
	"errors"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hostclaim-proxy/tests/e2e/capm3/metal3"
)

// discoverySteps ask what there is; the client's RESTMapper finds out from discovery.
func discoverySteps(t *tenant) []step {
	mapper := t.client.RESTMapper()
	hostClaims := metal3.GroupVersion.WithKind("HostClaim").GroupKind()
	return []step{
		{"the mapper finds hostclaims", func(context.Context) (string, error) {
			return mapped(mapper.RESTMapping(hostClaims))
		}},
		{"the mapper finds secrets", func(context.Context) (string, error) {
			return mapped(mapper.RESTMapping(schema.GroupKind{Kind: "Secret"}, "v1"))
		}},
		{"the mapper finds nothing that is not served", func(context.Context) (string, error) {
			_, err := mapper.RESTMapping(schema.GroupKind{Kind: "Pod"})
			return refused(err, meta.IsNoMatchError)
		}},
		{"an access review as protobuf says yes at home", func(ctx context.Context) (string, error) {
			return t.may(ctx, t.namespace, true)
		}},
		{"an access review as protobuf says no elsewhere", func(ctx context.Context) (string, error) {
			return t.may(ctx, t.elsewhere, false)
		}},
		{"the client knows that claims are in namespaces", func(context.Context) (string, error) {
			return namespaced(t.client.IsObjectNamespaced(&metal3.HostClaim{}))
		}},
		{"the client knows that secrets are in namespaces", func(context.Context) (string, error) {
			return namespaced(t.client.IsObjectNamespaced(&corev1.Secret{}))
		}},
	}
}

func mapped(mapping *meta.RESTMapping, err error) (string, error) {
	if err != nil {
		return "", err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return "", fmt.Errorf("%s are not in namespaces", mapping.Resource)
	}
	return mapping.Resource.String(), nil
}

func namespaced(is bool, err error) (string, error) {
	if err == nil && !is {
		err = errors.New("it takes them for cluster-wide")
	}
	return "", err
}

// may asks whether the tenant may create claims, and compares the answer.
func (t *tenant) may(ctx context.Context, namespace string, expected bool) (string, error) {
	review := &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: "create", Group: metal3.GroupVersion.Group, Resource: "hostclaims",
			},
		},
	}
	// Reviews are answered but not listed in discovery, so a mapper has to be told of them.
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(authorizationv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"), meta.RESTScopeRoot)
	reviewer, err := client.New(t.config, client.Options{Scheme: t.client.Scheme(), Mapper: mapper})
	if err != nil {
		return "", err
	}
	if err := reviewer.Create(ctx, review); err != nil {
		return "", err
	}
	if review.Status.Allowed != expected {
		return "", fmt.Errorf("allowed: %t, %s", review.Status.Allowed, review.Status.Reason)
	}
	return review.Status.Reason, nil
}
