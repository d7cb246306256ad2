// Package policy runs the official suite of the network policy API against a Sealane cluster, from outside the cluster.
//
// Flags of the suite are honoured (sigs.k8s.io/network-policy-api/conformance/utils/flags). Beside them:
//
//	-results FILE  one line of JSON for each test as it ends: test, result, features, seconds
//	-run-test A,B  only these tests
//
// Pods of the suite call /agnhost connect: a link to this program, which is that as well (agnhost_test.go).
package policy

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	api "sigs.k8s.io/network-policy-api/apis/v1beta1"
	"sigs.k8s.io/network-policy-api/conformance/tests"
	"sigs.k8s.io/network-policy-api/conformance/utils/flags"
	helpers "sigs.k8s.io/network-policy-api/conformance/utils/kubernetes"
	"sigs.k8s.io/network-policy-api/conformance/utils/suite"
	"sigs.k8s.io/yaml"
)

var (
	results = flag.String("results", "", "file for one line of JSON a test")
	only    = flag.String("run-test", "", "comma-separated names of the tests to run; none for all")
)

type outcome struct {
	Test     string   `json:"test"`
	Result   string   `json:"result"`
	Features []string `json:"features"`
	Seconds  float64  `json:"seconds"`
}

func describe(t *testing.T, test suite.ConformanceTest, begun time.Time) outcome {
	made := outcome{test.ShortName, "pass", []string{}, time.Since(begun).Seconds()}
	if t.Failed() {
		made.Result = "fail"
	} else if t.Skipped() {
		made.Result = "skip"
	}
	for _, feature := range test.Features {
		made.Features = append(made.Features, string(feature))
	}
	return made
}

func named(list string) []string {
	return strings.FieldsFunc(list, func(each rune) bool { return each == ',' })
}

func TestConformance(t *testing.T) {
	access, err := config.GetConfig()
	check(t, err)
	asked, err := client.New(access, client.Options{})
	check(t, err)
	check(t, api.Install(asked.Scheme()))
	check(t, apiextensions.AddToScheme(asked.Scheme()))
	set, err := kubernetes.NewForConfig(access)
	check(t, err)
	implementation, err := suite.ParseImplementation(
		*flags.ImplementationOrganization, *flags.ImplementationProject, *flags.ImplementationURL,
		*flags.ImplementationVersion, *flags.ImplementationContact, *flags.ImplementationAdditionalInformation,
	)
	check(t, err)
	run, err := suite.NewConformanceProfileTestSuite(suite.ConformanceProfileOptions{
		Options: suite.Options{
			Client:                     asked,
			ClientSet:                  set,
			KubeConfig:                 *access,
			Debug:                      *flags.ShowDebug,
			CleanupBaseResources:       *flags.CleanupBaseResources,
			SupportedFeatures:          suite.ParseSupportedFeatures(*flags.SupportedFeatures),
			ExemptFeatures:             suite.ParseSupportedFeatures(*flags.ExemptFeatures),
			EnableAllSupportedFeatures: *flags.EnableAllSupportedFeatures,
		},
		Implementation:      *implementation,
		ConformanceProfiles: suite.ParseConformanceProfiles(*flags.ConformanceProfiles),
	})
	check(t, err)
	run.Setup(t)

	program, err := os.Executable()
	check(t, err)
	pods, err := set.CoreV1().Pods("").List(context.Background(), meta.ListOptions{LabelSelector: "conformance-house"})
	check(t, err)
	for _, pod := range pods.Items {
		link := []string{"ln", "-s", program, "/agnhost"}
		_, said, err := helpers.RunCommandFromPod(set, access, pod.Namespace, pod.Name, link)
		if err != nil {
			t.Fatal(pod.Name, err, said)
		}
		var ports []string
		for _, container := range pod.Spec.Containers {
			for _, variable := range container.Env {
				if port, found := strings.CutPrefix(variable.Name, "SERVE_SCTP_PORT_"); found {
					ports = append(ports, port)
				}
			}
		}
		check(t, background(t, set, access, pod, append([]string{"/agnhost", "sctp"}, ports...)))
	}

	file, err := os.Create(*results)
	check(t, err)
	defer file.Close()
	wanted, encoder := named(*only), json.NewEncoder(file)
	chosen := []suite.ConformanceTest{}
	for _, test := range tests.ConformanceTests {
		if len(wanted) > 0 && !slices.Contains(wanted, test.ShortName) {
			continue
		}
		inner := test.Test
		test.Test = func(t *testing.T, all *suite.ConformanceTestSuite) {
			begun := time.Now()
			defer func() { _ = encoder.Encode(describe(t, test, begun)) }()
			inner(t, all)
		}
		chosen = append(chosen, test)
	}
	check(t, run.Run(t, chosen))
	report, err := run.Report()
	check(t, err)
	written, err := yaml.Marshal(report)
	check(t, err)
	if *flags.ReportOutput != "" {
		check(t, os.WriteFile(*flags.ReportOutput, written, 0o644))
	}
}

// Runs a command in the first container of a pod until the tests end. Returns when it has said something.
func background(t *testing.T, set kubernetes.Interface, access *rest.Config, pod core.Pod, command []string) error {
	asked := set.CoreV1().RESTClient().Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).
		SubResource("exec").VersionedParams(&core.PodExecOptions{
		Container: pod.Spec.Containers[0].Name, Command: command, Stdout: true,
	}, scheme.ParameterCodec)
	stream, err := remotecommand.NewSPDYExecutor(access, "POST", asked.URL())
	if err != nil {
		return err
	}
	said, words := io.Pipe()
	go func() {
		words.CloseWithError(stream.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: words}))
	}()
	_, err = said.Read(make([]byte, 64))
	return err
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
