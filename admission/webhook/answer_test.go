package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

func TestAnswersAreThoseOfTheAPIsOwnEncoder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringMatching(`[a-zA-Zü€ "\\\n~/:.]{1,40}`), 0, 5)
		o := outcome{
			decision: rapid.SampledFrom(allDecisions[:]).Draw(t, "decision"), vpa: rapid.StringMatching(`[a-z]{0,5}`).Draw(t, "vpa"),
			patch: rapid.SliceOf(rapid.Byte()).Draw(t, "patch"), warnings: texts.Draw(t, "warnings"), capped: texts.Draw(t, "capped"), skipped: texts.Draw(t, "skipped"),
		}
		uid := rapid.StringMatching(`[0-9a-f"-]{1,36}`).Draw(t, "uid")
		want := admissionv1.AdmissionResponse{UID: types.UID(uid), Allowed: true, Warnings: o.warnings, AuditAnnotations: map[string]string{"decision": string(o.decision)}}
		for key, value := range map[string]string{"vpa": o.vpa, "capped": strings.Join(o.capped, "; "), "skipped": strings.Join(o.skipped, "; ")} {
			if value != "" {
				want.AuditAnnotations[key] = value
			}
		}
		if len(o.patch) > 0 {
			jsonPatch := admissionv1.PatchTypeJSONPatch
			want.Patch, want.PatchType = o.patch, &jsonPatch
		}
		text, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: reviewVersion, Kind: reviewKind}, Response: &want})
		require.NoError(t, err)
		require.Equal(t, string(text), string(appendAnswer(nil, uid, &o)))
	})
}

func TestWhatIsToldHasBounds(t *testing.T) {
	o := outcome{decision: Skipped}
	for range 500 {
		o.warnings, o.skipped = append(o.warnings, "a warning"), append(o.skipped, strings.Repeat("ü", 50))
	}
	var answer admissionv1.AdmissionReview
	require.NoError(t, json.Unmarshal(appendAnswer(nil, "1", &o), &answer))
	require.Len(t, answer.Response.Warnings, maxWarnings)
	require.Equal(t, "and 481 warnings more", answer.Response.Warnings[maxWarnings-1])
	require.LessOrEqual(t, len(answer.Response.AuditAnnotations["skipped"]), maxAnnotation+3, "the last character is replaced where it was cut")
}
