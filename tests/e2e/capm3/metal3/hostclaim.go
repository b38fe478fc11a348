// Package metal3 has as much of metal3.io/v1alpha1 as a tenant's controller needs.
package metal3

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API's name.
var GroupVersion = schema.GroupVersion{Group: "metal3.io", Version: "v1alpha1"}

// HostClaim asks for one bare metal host.
type HostClaim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   HostClaimSpec   `json:"spec,omitempty"`
	Status HostClaimStatus `json:"status,omitempty"`
}

// HostClaimSpec is what the tenant wants.
type HostClaimSpec struct {
	PoweredOn    bool                    `json:"poweredOn"`
	HostSelector *HostSelector           `json:"hostSelector,omitempty"`
	UserData     *corev1.SecretReference `json:"userData,omitempty"`
	MetaData     *corev1.SecretReference `json:"metaData,omitempty"`
}

// HostSelector says which hosts will do.
type HostSelector struct {
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// HostClaimStatus is what became of it.
type HostClaimStatus struct {
	BareMetalHost *ObjectName        `json:"bareMetalHost,omitempty"`
	Conditions    []metav1.Condition `json:"conditions,omitempty"`
	PoweredOn     *bool              `json:"poweredOn,omitempty"`
}

// ObjectName points at an object of a known kind.
type ObjectName struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// HostClaimList is what a list of them comes as.
type HostClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []HostClaim `json:"items"`
}

// AddToScheme makes the kinds known.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &HostClaim{}, &HostClaimList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

// DeepCopyObject implements runtime.Object.
func (c *HostClaim) DeepCopyObject() runtime.Object { return c.DeepCopy() }

// DeepCopy shares nothing with the original.
func (c *HostClaim) DeepCopy() *HostClaim {
	copied := *c
	copied.ObjectMeta = *c.ObjectMeta.DeepCopy()
	if c.Spec.HostSelector != nil {
		copied.Spec.HostSelector = &HostSelector{maps.Clone(c.Spec.HostSelector.MatchLabels)}
	}
	copied.Spec.UserData = clone(c.Spec.UserData)
	copied.Spec.MetaData = clone(c.Spec.MetaData)
	copied.Status.BareMetalHost = clone(c.Status.BareMetalHost)
	copied.Status.Conditions = slices.Clone(c.Status.Conditions)
	copied.Status.PoweredOn = clone(c.Status.PoweredOn)
	return &copied
}

// DeepCopyObject implements runtime.Object.
func (l *HostClaimList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.ListMeta = *l.ListMeta.DeepCopy()
	copied.Items = make([]HostClaim, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopy()
	}
	return &copied
}

func clone[T any](original *T) *T {
	if original == nil {
		return nil
	}
	copied := *original
	return &copied
}
