// A client of the Kubernetes API in Go, as operators are written: run by test_go.py.
//
//	client lead NAME     a controller-runtime manager that leads by a Lease. It prints "leads" when it does, then keeps a
//	                     Secret copy-X, by server-side apply, for each ConfigMap X with the label copy.
//	client exec POD CMD  runs CMD in a pod over SPDY, with stdin, stdout and stderr; its exit code.
//	client forward POD PORT PATH  asks for PATH by HTTP through a port forwarded over SPDY; prints the body.
//	client watch N       an informer's cache: prints the names of ConfigMaps of default, as they are added, until N.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err == nil {
		err = run(ctrl.SetupSignalHandler(), config, os.Args[1:])
	}
	var ended exec.CodeExitError
	if errors.As(err, &ended) {
		os.Exit(ended.Code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config *rest.Config, words []string) error {
	switch words[0] {
	case "lead":
		return lead(ctx, config, words[1])
	case "exec":
		return execute(ctx, config, words[1], words[2:])
	case "forward":
		return forward(config, words[1], words[2], words[3])
	case "watch":
		return watch(ctx, config, words[1])
	}
	return fmt.Errorf("what is %q?", words[0])
}

// copier keeps a Secret for each ConfigMap that asks for one.
type copier struct{ client.Client }

func (c copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var source corev1.ConfigMap
	if err := c.Get(ctx, request.NamespacedName, &source); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if _, wanted := source.Labels["copy"]; !wanted {
		return ctrl.Result{}, nil
	}
	owner := applymetav1.OwnerReference().WithAPIVersion("v1").WithKind("ConfigMap").
		WithName(source.Name).WithUID(source.UID).WithController(true)
	copied := applycorev1.Secret("copy-"+source.Name, source.Namespace).
		WithOwnerReferences(owner).WithStringData(source.Data)
	return ctrl.Result{}, c.Apply(ctx, copied, client.FieldOwner("copier"), client.ForceOwnership)
}

func lead(ctx context.Context, config *rest.Config, name string) error {
	lease, renew, retry := 4*time.Second, 3*time.Second, 500*time.Millisecond
	made, err := ctrl.NewManager(config, manager.Options{
		LeaderElection:                true,
		LeaderElectionID:              "copier",
		LeaderElectionNamespace:       "default",
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
		Metrics:                       metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(made).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).
		Complete(copier{made.GetClient()})
	if err != nil {
		return err
	}
	go func() {
		<-made.Elected()
		fmt.Println("leads", name)
	}()
	return made.Start(ctx)
}

func execute(ctx context.Context, config *rest.Config, pod string, command []string) error {
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	request := set.CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdin: true, Stdout: true, Stderr: true},
			scheme.ParameterCodec)
	executor, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, request.URL())
	if err != nil {
		return err
	}
	return executor.StreamWithContext(ctx,
		remotecommand.StreamOptions{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}

func forward(config *rest.Config, pod, port, path string) error {
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	url := set.CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name(pod).
		SubResource("portforward").URL()
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return err
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	stop, ready := make(chan struct{}), make(chan struct{})
	defer close(stop)
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:" + port}, stop, ready,
		io.Discard, os.Stderr)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case err := <-failed:
		return err
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return err
	}
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", ports[0].Local, path))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

func watch(ctx context.Context, config *rest.Config, count string) error {
	wanted, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(set, 0, informers.WithNamespace("default"),
		informers.WithTweakListOptions(func(options *metav1.ListOptions) { options.LabelSelector = "watched" }))
	informer := factory.Core().V1().ConfigMaps()
	added := make(chan string, wanted)
	_, err = informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(found any) { added <- found.(*corev1.ConfigMap).Name },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	fmt.Println("synced")
	for range wanted {
		select {
		case name := <-added:
			if _, err := informer.Lister().ConfigMaps("default").Get(name); apierrors.IsNotFound(err) {
				return fmt.Errorf("%s is told, and not in the cache", name)
			}
			fmt.Println(name)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
