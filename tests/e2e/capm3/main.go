// Command capm3 does to a HostClaim proxy what CAPM3 does, with the machinery that CAPM3 is
// made of: controller-runtime's typed client, its manager and its cache.
//
// It plays a list of steps, says of each in a line of JSON what came of it, and exits with 0
// if all of them went as they should. What should be refused must be refused as the API error
// that controllers look for.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// step is one thing that a controller does. Its name is a fact that holds if it succeeds.
type step struct {
	name string
	do   func(context.Context) (detail string, err error)
}

// result is the line that is printed for a step.
type result struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func main() {
	var options options
	// A set of its own: controller-runtime has put its flags into the common one.
	flags := flag.NewFlagSet("capm3", flag.ExitOnError)
	flags.StringVar(&options.kubeconfig, "kubeconfig", "", "the tenant's kubeconfig; its namespace is used")
	flags.StringVar(&options.elsewhere, "elsewhere", "red", "a namespace that is not the tenant's")
	flags.StringVar(&options.foreign, "foreign", "", "a secret in the namespace that is not the tenant's")
	flags.StringVar(&options.exchanges, "exchanges", "", "a file for a line of JSON for each HTTP exchange")
	flags.BoolVar(&options.real, "real", false, "the cluster is no stand-in: it answers in protobuf, and watches are kept idle for long")
	_ = flags.Parse(os.Args[1:])

	// What controllers log goes to stderr; the results have stdout for themselves.
	klog.LogToStderr(true)
	ctrl.SetLogger(klog.Background())
	allOK, err := run(ctrl.SetupSignalHandler(), options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !allOK || err != nil {
		os.Exit(1)
	}
}

func run(ctx context.Context, options options) (allOK bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tenant, err := newTenant(options)
	if err != nil {
		return false, err
	}
	allOK = play(ctx, tenant.patience, discoverySteps(tenant))
	allOK = play(ctx, tenant.patience, secretSteps(tenant)) && allOK
	allOK = play(ctx, tenant.patience, claimSteps(tenant)) && allOK
	allOK = play(ctx, tenant.patience, refusalSteps(tenant)) && allOK
	allOK = play(ctx, tenant.patience+tenant.idle, watchSteps(ctx, tenant)) && allOK
	allOK = play(ctx, tenant.patience, []step{{"the proxy never failed", tenant.exchanges.noFailures}}) && allOK
	return allOK, tenant.exchanges.write(options.exchanges)
}

// play takes the steps one after the other; those after one that failed are tried, too.
func play(ctx context.Context, patience time.Duration, steps []step) (allOK bool) {
	allOK = true
	for _, step := range steps {
		stepCtx, cancel := context.WithTimeout(ctx, patience)
		detail, err := step.do(stepCtx)
		cancel()
		if err != nil {
			allOK = false
			detail = err.Error()
		}
		line, _ := json.Marshal(result{Name: step.name, OK: err == nil, Detail: detail})
		fmt.Println(string(line))
	}
	return allOK
}
