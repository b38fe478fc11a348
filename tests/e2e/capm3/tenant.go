package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"hostclaim-proxy/tests/e2e/capm3/metal3"
)

const (
	// stamp is the label that only the proxy sets.
	stamp = "hostclaim-proxy.metal3.io/tenant-secret"
	// clusterName is the label that CAPM3 puts on its secrets, in place of all others.
	clusterName = "cluster.x-k8s.io/cluster-name"
	// secretType is the type of CAPM3's secrets.
	secretType corev1.SecretType = "infrastructure.cluster.x-k8s.io/secret"
	owner                        = "capm3"
)

type options struct {
	kubeconfig string
	elsewhere  string
	foreign    string
	exchanges  string
	real       bool
}

// tenant is who the steps are taken as, and where.
type tenant struct {
	config    *rest.Config
	client    client.Client
	dynamic   dynamic.Interface
	exchanges *exchanges

	namespace string
	elsewhere string
	foreign   string
	patience  time.Duration
	idle      time.Duration
	real      bool
}

func newTenant(options options) (*tenant, error) {
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: options.kubeconfig},
		&clientcmd.ConfigOverrides{},
	)
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, err
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		return nil, err
	}
	tenant := &tenant{
		exchanges: &exchanges{},
		namespace: namespace,
		elsewhere: options.elsewhere,
		foreign:   options.foreign,
		patience:  30 * time.Second,
		idle:      3 * time.Second,
		real:      options.real,
	}
	if options.real {
		tenant.idle = 80 * time.Second
	}
	config.Wrap(tenant.exchanges.recorded)
	tenant.config = config
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	if tenant.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	tenant.dynamic, err = dynamic.NewForConfig(config)
	return tenant, err
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(
		corev1.AddToScheme(scheme),
		authorizationv1.AddToScheme(scheme),
		metal3.AddToScheme(scheme),
	)
}

// meta names an object in the tenant's namespace.
func (t *tenant) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: t.namespace, Name: name}
}

func (t *tenant) newSecret(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: t.meta(name)}
}

func (t *tenant) newClaim(name string) *metal3.HostClaim {
	return &metal3.HostClaim{ObjectMeta: t.meta(name)}
}

// get reads into an object that has a name.
func (t *tenant) get(ctx context.Context, object client.Object) error {
	return t.client.Get(ctx, client.ObjectKeyFromObject(object), object)
}

// gone waits until an object that has a name is not there any more.
func (t *tenant) gone(ctx context.Context, object client.Object) (string, error) {
	err := eventually(ctx, func(ctx context.Context) (bool, error) {
		err := t.get(ctx, object)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	return object.GetName() + " is gone", err
}

// eventually asks again and again, until it is so or the context's time is over.
func eventually(ctx context.Context, isSo wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, isSo)
}

// refused turns a refusal of the right kind into a success.
func refused(err error, isRight func(error) bool) (string, error) {
	switch {
	case err == nil:
		return "", errors.New("it was not refused")
	case !isRight(err):
		return "", fmt.Errorf("it was refused for another reason: %w", err)
	}
	return err.Error(), nil
}

// blamed is refused, with the field that is to blame among the causes.
func blamed(err error, field string) (string, error) {
	detail, err2 := refused(err, apierrors.IsForbidden)
	if err2 != nil {
		return "", err2
	}
	if cause, found := apierrors.StatusCause(err, metav1.CauseType("FieldValueForbidden")); !found || cause.Field != field {
		return "", fmt.Errorf("%s is not to blame: %w", field, err)
	}
	return detail, nil
}
