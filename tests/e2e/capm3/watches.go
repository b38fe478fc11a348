package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"hostclaim-proxy/tests/e2e/capm3/metal3"
)

const watchedClaim, watchedSecret, lateClaim = "capm3-watched", "capm3-watched-metadata", "capm3-late"

// sightings are what an informer or a reconciler has seen, such as `add capm3-watched`.
type sightings struct {
	mutex sync.Mutex
	seen  []string
}

func (s *sightings) add(what string, object any) {
	if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.seen = append(s.seen, what+" "+accessor.GetName())
}

func (s *sightings) has(what string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Contains(s.seen, what)
}

// await waits for each of these sightings.
func (s *sightings) await(ctx context.Context, all ...string) (string, error) {
	for _, what := range all {
		err := eventually(ctx, func(context.Context) (bool, error) { return s.has(what), nil })
		if err != nil {
			return "", fmt.Errorf("no %q among %q", what, s.seen)
		}
	}
	return fmt.Sprintf("%q", all), nil
}

func (s *sightings) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { s.add("add", object) },
		UpdateFunc: func(_, object any) { s.add("update", object) },
		DeleteFunc: func(object any) { s.add("delete", object) },
	}
}

// watching is what stays open from one step to the next.
type watching struct {
	*tenant

	claims, secrets, metadata, reconciled, dynamicClaims sightings

	manager ctrl.Manager
	ended   chan error
	stream  watch.Interface
}

// watchSteps run a manager, a dynamic informer and a bare watch side by side. They go on in
// `ctx` between the steps.
func watchSteps(ctx context.Context, t *tenant) []step {
	ctx, stop := context.WithCancel(ctx)
	w := &watching{tenant: t, ended: make(chan error, 1)}
	began := t.exchanges.now()
	idleFrom := 0

	return []step{
		{"a manager starts, limited to the namespace", func(stepCtx context.Context) (string, error) {
			return w.startManager(ctx, stepCtx)
		}},
		{"a dynamic informer starts", func(stepCtx context.Context) (string, error) {
			return w.startDynamicInformer(ctx, stepCtx)
		}},
		{"a bare watch begins with a list that a bookmark ends", func(context.Context) (string, error) {
			return w.startStream(ctx)
		}},
		{"the caches began with streaming lists", func(context.Context) (string, error) {
			return w.streamed(began)
		}},
		{"informers see what is added", func(ctx context.Context) (string, error) {
			claim, secret := t.newClaim(watchedClaim), t.newSecret(watchedSecret)
			secret.Type = secretType
			secret.StringData = map[string]string{"metaData": "one"}
			err := errors.Join(w.manager.GetClient().Create(ctx, secret), w.manager.GetClient().Create(ctx, claim))
			if err != nil {
				return "", err
			}
			return w.allSee(ctx, "add")
		}},
		{"a reconciler is called", func(ctx context.Context) (string, error) {
			return w.reconciled.await(ctx, "reconcile "+watchedClaim)
		}},
		{"the cache is read, by label too", func(ctx context.Context) (string, error) {
			return w.readCache(ctx)
		}},
		{"informers see what is updated", func(ctx context.Context) (string, error) {
			if err := w.label(ctx, t.newClaim(watchedClaim), t.newSecret(watchedSecret)); err != nil {
				return "", err
			}
			return w.allSee(ctx, "update")
		}},
		{"informers see what is deleted", func(ctx context.Context) (string, error) {
			claim, secret := t.newClaim(watchedClaim), t.newSecret(watchedSecret)
			if err := errors.Join(t.client.Delete(ctx, claim), t.client.Delete(ctx, secret)); err != nil {
				return "", err
			}
			return w.allSee(ctx, "delete")
		}},
		{"informers never saw a secret of somebody else", func(context.Context) (string, error) {
			if w.secrets.has("add "+t.foreign) || w.metadata.has("add "+t.foreign) {
				return "", errors.New(t.foreign)
			}
			return "", nil
		}},
		{"watches stay open while nothing happens", func(ctx context.Context) (string, error) {
			idleFrom = t.exchanges.now()
			return w.idleOn(ctx)
		}},
		{"after that, they see what comes", func(ctx context.Context) (string, error) {
			if err := t.client.Create(ctx, t.newClaim(lateClaim)); err != nil {
				return "", err
			}
			return w.seeLate(ctx)
		}},
		{"no watch was opened anew meanwhile", func(context.Context) (string, error) {
			for _, each := range t.exchanges.since(idleFrom, "") {
				if each.isWatch() {
					return "", errors.New(each.Target)
				}
			}
			return "", nil
		}},
		{"what came is deleted", func(ctx context.Context) (string, error) {
			return t.deleted(ctx, t.newClaim(lateClaim))
		}},
		{"an informer elsewhere is forbidden, with the namespaces one has", func(stepCtx context.Context) (string, error) {
			return w.informElsewhere(ctx, stepCtx)
		}},
		{"the manager stops in peace", func(ctx context.Context) (string, error) {
			w.stream.Stop()
			stop()
			select {
			case err := <-w.ended:
				return "", err
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}},
	}
}

// startManager runs a manager as CAPM3's is, but for the leader election.
func (w *watching) startManager(ctx, stepCtx context.Context) (string, error) {
	var err error
	w.manager, err = ctrl.NewManager(w.config, ctrl.Options{
		Scheme:  w.client.Scheme(),
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return "", err
	}
	err = ctrl.NewControllerManagedBy(w.manager).For(&metal3.HostClaim{}).Complete(w)
	if err != nil {
		return "", err
	}
	go func() { w.ended <- w.manager.Start(ctx) }()
	for object, seen := range map[client.Object]*sightings{
		&metal3.HostClaim{}:          &w.claims,
		&corev1.Secret{}:             &w.secrets,
		metadataOf(&corev1.Secret{}): &w.metadata,
	} {
		informer, err := w.manager.GetCache().GetInformer(stepCtx, object)
		if err != nil {
			return "", err
		}
		if _, err := informer.AddEventHandler(seen.handler()); err != nil {
			return "", err
		}
	}
	if !w.manager.GetCache().WaitForCacheSync(stepCtx) {
		return "", errors.New("its caches never synced")
	}
	return "its caches are in sync", nil
}

// Reconcile notes that it was called for a claim that is there.
func (w *watching) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	claim := &metal3.HostClaim{}
	err := w.manager.GetClient().Get(ctx, request.NamespacedName, claim)
	if err == nil {
		w.reconciled.add("reconcile", claim)
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

func (w *watching) startDynamicInformer(ctx, stepCtx context.Context) (string, error) {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(w.dynamic, 0, w.namespace, nil)
	informer := factory.ForResource(metal3.GroupVersion.WithResource("hostclaims")).Informer()
	if _, err := informer.AddEventHandler(w.dynamicClaims.handler()); err != nil {
		return "", err
	}
	factory.Start(ctx.Done())
	if !toolscache.WaitForCacheSync(stepCtx.Done(), informer.HasSynced) {
		return "", errors.New("it never synced")
	}
	return "it is in sync", nil
}

// startStream opens a watch that begins with what is there, and reads it to the bookmark that
// says that this was all (KEP-3157).
func (w *watching) startStream(ctx context.Context) (string, error) {
	claims := w.dynamic.Resource(metal3.GroupVersion.WithResource("hostclaims")).Namespace(w.namespace)
	var err error
	w.stream, err = claims.Watch(ctx, metav1.ListOptions{
		SendInitialEvents:    new(true),
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
		AllowWatchBookmarks:  true,
	})
	if err != nil {
		return "", err
	}
	patience := time.After(w.patience)
	for count := 0; ; count++ {
		event, err := w.next(patience)
		if err != nil {
			return "", err
		}
		if event.Type != watch.Bookmark {
			continue
		}
		accessor, err := meta.Accessor(event.Object)
		if err == nil && accessor.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" {
			err = errors.New("the bookmark does not say that this was all")
		}
		return fmt.Sprintf("%d claims before it", count), err
	}
}

func (w *watching) next(patience <-chan time.Time) (watch.Event, error) {
	select {
	case event, open := <-w.stream.ResultChan():
		if !open || event.Type == watch.Error {
			return event, fmt.Errorf("the watch ended: %v", event.Object)
		}
		return event, nil
	case <-patience:
		return watch.Event{}, errors.New("nothing came")
	}
}

// streamed is whether each cache asked once, for a streaming list, and listed nothing.
func (w *watching) streamed(since int) (string, error) {
	for path, expected := range map[string]int{"/hostclaims": 3, "/secrets": 2} {
		all := w.exchanges.since(since, path)
		for _, each := range all {
			if !each.isStreamingList() {
				return "", fmt.Errorf("%s %s", each.Method, each.Target)
			}
		}
		if len(all) != expected {
			return "", fmt.Errorf("%d requests for %s", len(all), path)
		}
	}
	return "no list was asked for", nil
}

func (w *watching) allSee(ctx context.Context, what string) (string, error) {
	claim, secret := what+" "+watchedClaim, what+" "+watchedSecret
	_, err := w.claims.await(ctx, claim)
	_, err2 := w.secrets.await(ctx, secret)
	_, err3 := w.metadata.await(ctx, secret)
	_, err4 := w.dynamicClaims.await(ctx, claim)
	return fmt.Sprintf("%q, %q", claim, secret), errors.Join(err, err2, err3, err4)
}

func (w *watching) readCache(ctx context.Context) (string, error) {
	cached := w.manager.GetClient()
	began := w.exchanges.now()
	secret := w.newSecret(watchedSecret)
	if err := cached.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
		return "", err
	}
	list := &corev1.SecretList{}
	if err := cached.List(ctx, list, client.HasLabels{stamp}, client.InNamespace(w.namespace)); err != nil {
		return "", err
	}
	if w.exchanges.now() != began {
		return "", errors.New("it was asked for over the wire")
	}
	for _, found := range list.Items {
		if found.Name == watchedSecret {
			return holds(secret, nil, "metaData", "one")
		}
	}
	return "", fmt.Errorf("%d secrets, not the one", len(list.Items))
}

// label puts CAPM3's label on objects.
func (w *watching) label(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		if err := w.get(ctx, object); err != nil {
			return err
		}
		before := object.DeepCopyObject().(client.Object)
		labels := map[string]string{clusterName: "blue"}
		for key, value := range object.GetLabels() {
			labels[key] = value
		}
		object.SetLabels(labels)
		if err := w.client.Patch(ctx, object, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return nil
}

// idleOn lets time pass; what the bare watch brings meanwhile is bookmarks at most.
func (w *watching) idleOn(ctx context.Context) (string, error) {
	if _, err := w.gone(ctx, w.newClaim(watchedClaim)); err != nil {
		return "", err
	}
	over := time.After(w.idle)
	bookmarks := 0
	for {
		select {
		case event, open := <-w.stream.ResultChan():
			if !open || event.Type == watch.Error {
				return "", fmt.Errorf("the watch ended: %v", event.Object)
			}
			if event.Type == watch.Bookmark {
				bookmarks++
			}
		case <-over:
			// An apiserver sends one a minute.
			if w.real && bookmarks == 0 {
				return "", errors.New("no bookmark came")
			}
			return fmt.Sprintf("%s, %d bookmarks", w.idle, bookmarks), nil
		}
	}
}

func (w *watching) seeLate(ctx context.Context) (string, error) {
	late := "add " + lateClaim
	_, err := w.claims.await(ctx, late)
	_, err2 := w.dynamicClaims.await(ctx, late)
	if err := errors.Join(err, err2); err != nil {
		return "", err
	}
	patience := time.After(w.patience)
	for {
		event, err := w.next(patience)
		if err != nil {
			return "", err
		}
		if accessor, err := meta.Accessor(event.Object); err == nil && accessor.GetName() == lateClaim {
			return "the bare watch brought it, too", nil
		}
	}
}

// informElsewhere starts a cache for a namespace that is not the tenant's.
func (w *watching) informElsewhere(ctx, stepCtx context.Context) (string, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	troubles := make(chan error, 1)
	elsewhere, err := cache.New(w.config, cache.Options{
		Scheme:            w.client.Scheme(),
		Mapper:            w.client.RESTMapper(),
		DefaultNamespaces: map[string]cache.Config{w.elsewhere: {}},
		DefaultWatchErrorHandler: func(_ context.Context, _ *toolscache.Reflector, err error) {
			select {
			case troubles <- err:
			default:
			}
		},
	})
	if err != nil {
		return "", err
	}
	if _, err := elsewhere.GetInformer(ctx, &metal3.HostClaim{}, cache.BlockUntilSynced(false)); err != nil {
		return "", err
	}
	ended := make(chan error, 1)
	go func() { ended <- elsewhere.Start(ctx) }()
	select {
	case err := <-troubles:
		detail, err := w.sentHome(err)
		stop()
		return detail, errors.Join(err, <-ended)
	case <-stepCtx.Done():
		return "", errors.New("nobody complained")
	}
}
