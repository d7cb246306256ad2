// Package gateway runs the official Gateway API conformance suite against a Sealane cluster, from outside the cluster.
//
// Flags of the suite are honoured (sigs.k8s.io/gateway-api/conformance/utils/flags). Beside them:
//
//	-short 5s      every wait of the suite, so that a test that fails does so in seconds; 0 for the suite's own
//	-results FILE  one line of JSON for each test as it ends: test, result, features, profiles
//	-whole         every feature of the profiles that are run, claimed or not
package gateway

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
)

var (
	short   = flag.Duration("short", 0, "every wait of the suite; 0 for the suite's own")
	results = flag.String("results", "", "file for one line of JSON a test")
	whole   = flag.Bool("whole", false, "every feature of the profiles that are run, claimed or not")
)

var profiles = []suite.ConformanceProfile{
	suite.GatewayHTTPConformanceProfile,
	suite.GatewayGRPCConformanceProfile,
	suite.GatewayTLSConformanceProfile,
	suite.GatewayTCPConformanceProfile,
	suite.GatewayUDPConformanceProfile,
	suite.MeshHTTPConformanceProfile,
	suite.MeshGRPCConformanceProfile,
}

type outcome struct {
	Test     string   `json:"test"`
	Result   string   `json:"result"`
	Features []string `json:"features"`
	Profiles []string `json:"profiles"`
}

func describe(t *testing.T, test suite.ConformanceTest) outcome {
	made := outcome{test.ShortName, "pass", []string{}, []string{}}
	if t.Failed() {
		made.Result = "fail"
	} else if t.Skipped() {
		made.Result = "skip"
	}
	for _, feature := range test.Features {
		made.Features = append(made.Features, string(feature))
	}
	for _, profile := range profiles {
		if profile.CoreFeatures.Union(profile.ExtendedFeatures).HasAll(test.Features...) {
			made.Profiles = append(made.Profiles, string(profile.Name))
		}
	}
	return made
}

func TestConformance(t *testing.T) {
	options := conformance.DefaultOptions(t)
	if *short > 0 {
		waits := reflect.ValueOf(&options.TimeoutConfig).Elem()
		for i := range waits.NumField() {
			if wait, ok := waits.Field(i).Interface().(time.Duration); ok && wait > *short {
				waits.Field(i).Set(reflect.ValueOf(*short))
			}
		}
	}
	if *whole {
		for _, profile := range profiles {
			if slices.Contains(options.ConformanceProfiles, profile.Name) {
				features := profile.CoreFeatures.Union(profile.ExtendedFeatures)
				options.SupportedFeatures = append(options.SupportedFeatures, features.UnsortedList()...)
			}
		}
	}
	if *results != "" {
		file, err := os.Create(*results)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		encoder, lock := json.NewEncoder(file), sync.Mutex{}
		options.Hook = func(t *testing.T, test suite.ConformanceTest, _ *suite.ConformanceTestSuite) {
			lock.Lock()
			defer lock.Unlock()
			_ = encoder.Encode(describe(t, test))
		}
	}
	conformance.RunConformanceWithOptions(t, options)
}
