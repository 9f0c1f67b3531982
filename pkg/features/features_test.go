package features

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	upstream "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/features"
	"k8s.io/component-base/featuregate"
)

func TestGatesOpenAsUpstreams(t *testing.T) {
	for name, args := range map[string][]string{
		"none":                         nil,
		"one":                          {"PerVPAConfig=true"},
		"two, with spaces":             {" PerVPAConfig = true , InPlace=1,"},
		"twice":                        {"PerVPAConfig=true", "InPlace=true,PerVPAConfig=false"},
		"all alpha":                    {"AllAlpha=true"},
		"all alpha but one":            {"AllAlpha=true,InPlace=false"},
		"all alpha after all but one":  {"InPlace=false", "AllAlpha=true"},
		"all beta, of which none is":   {"AllBeta=true"},
		"all alpha closed, one opened": {"AllAlpha=false,InPlace=true"},
	} {
		t.Run(name, func(t *testing.T) {
			theirs := upstream.MutableFeatureGate.DeepCopy()
			var ours Gates
			fs := pflag.NewFlagSet("", pflag.ContinueOnError)
			ours.AddFlag(fs)
			for _, arg := range args {
				require.NoError(t, theirs.Set(arg))
				require.NoError(t, fs.Parse([]string{"--feature-gates=" + arg}))
			}
			for _, gate := range []Gate{CPUStartupBoost, InPlace, PerVPAConfig} {
				require.Equal(t, theirs.Enabled(featuregate.Feature(gate)), ours.Enabled(gate), gate)
			}
		})
	}
}

func TestEveryGateOfUpstreamsIsKnown(t *testing.T) {
	for gate := range upstream.MutableFeatureGate.GetAll() {
		require.Contains(t, known, Gate(gate))
	}
	require.Len(t, known, len(upstream.MutableFeatureGate.GetAll()))
}

func TestAGateThatCannotBeSetIsNamed(t *testing.T) {
	var g Gates
	require.EqualError(t, g.Set("Inplace=true"), `no feature is called "Inplace": there are AllAlpha, AllBeta, CPUStartupBoost, InPlace, PerVPAConfig`)
	require.EqualError(t, g.Set("InPlace"), `InPlace="": must be true or false`)
	require.NoError(t, g.Set("PerVPAConfig=t,InPlace=F"))
	require.Equal(t, "InPlace=false,PerVPAConfig=true", g.String())
}
