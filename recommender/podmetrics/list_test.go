package podmetrics

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sartor-vpa/sartor/pkg/usage"
)

// items is a PodMetricsList of pods.
func items(pods ...string) string {
	return `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[` + strings.Join(pods, ",") + `]}`
}

// using is a pod with one container, which uses what quantities say.
func using(quantities string) string {
	return `{"metadata":{"name":"shop-0","namespace":"store"},"timestamp":"2026-03-01T12:00:30Z","containers":[{"name":"shop","usage":{` + quantities + `}}]}`
}

var (
	noon = time.Date(2026, 3, 1, 12, 0, 30, 0, time.UTC)
	shop = usage.Container{Namespace: "store", Pod: "shop-0", Name: "shop"}
)

func cpu(amount usage.Amount) usage.Sample {
	return usage.Sample{Container: shop, Resource: usage.CPU, Time: noon, Amount: amount}
}

func memory(amount usage.Amount) usage.Sample {
	return usage.Sample{Container: shop, Resource: usage.Memory, Time: noon, Amount: amount}
}

func read(body string) ([]usage.Sample, Round, error) {
	var samples []usage.Sample
	round, err := decode(strings.NewReader(body), func(s usage.Sample) { samples = append(samples, s) })
	return samples, round, err
}

func TestWhatMetricsServerSendsIsReadAsTheTypedClientReadsIt(t *testing.T) {
	samples, round, err := read(items(answer, using(`"cpu":"1","memory":"5Mi"`)))
	require.NoError(t, err)
	other := usage.Container{Namespace: "store", Pod: "shop-7d9f8b6c5-x2x4z", Name: "no-memory-yet"}
	main := usage.Container{Namespace: "store", Pod: "shop-7d9f8b6c5-x2x4z", Name: "shop"}
	require.Equal(t, []usage.Sample{
		{Container: main, Resource: usage.CPU, Time: noon, Amount: 313},
		{Container: main, Resource: usage.Memory, Time: noon, Amount: 617204 << 10},
		{Container: other, Resource: usage.CPU, Time: noon, Amount: 0},
		cpu(1000), memory(5 << 20),
	}, samples)
	require.Equal(t, Round{Pods: 2, Newest: noon, Dropped: map[Reason]int{}}, round)
}

func TestKeysMayComeInAnyOrderAndBeUnknown(t *testing.T) {
	const deep = `{"a":[[[{"b":null}]]],"name":"x","namespace":"y"}`
	for name, body := range map[string]string{
		"containers before timestamp and metadata": items(`{"containers":[{"usage":{"memory":"1Ki","cpu":"5m"},"name":"shop"}],"timestamp":"2026-03-01T12:00:30Z","metadata":{"namespace":"store","name":"shop-0"}}`),
		"items before kind":                        `{"items":[` + using(`"cpu":"5m","memory":"1Ki"`) + `],"kind":"PodMetricsList"}`,
		"neither kind nor version":                 `{"items":[` + using(`"cpu":"5m","memory":"1Ki"`) + `]}`,
		"unknown keys everywhere":                  `{"x":` + deep + `,"items":[{"x":` + deep + `,"metadata":{"x":` + deep + `,"name":"shop-0","labels":{"name":"x"},"namespace":"store"},"timestamp":"2026-03-01T12:00:30Z","containers":[{"x":` + deep + `,"name":"shop","usage":{"hugepages-2Mi":"x","cpu":"5m","x":` + deep + `,"memory":"1Ki"}}]}]}`,
		"escapes":                                  items(`{"metadata":{"n\u0061me":"shop\u002d0","namespace":"\u0073tore"},"timestamp":"2026-03-01T12\u003a00:30Z","containers":[{"name":"sh\u006fp","usage":{"c\u0070u":"5\u006d","memory":"1Ki"}}]}`),
		"the last of equal keys counts":            items(`{"metadata":{"name":"x","name":"shop-0","namespace":"store"},"timestamp":"2020-03-01T12:00:30Z","timestamp":"2026-03-01T12:00:30Z","containers":[{"name":"x","usage":{"cpu":"1"}}],"containers":[{"name":"shop","usage":{"cpu":"7"},"usage":{"cpu":"x","cpu":"5m","memory":"1Ki"}}]}`),
		"null where it says nothing":               `{"kind":null,"items":[null,` + using(`"cpu":"5m","memory":"1Ki"`) + `,{"metadata":null,"timestamp":null,"containers":null}]}`,
		"time of another zone":                     items(strings.Replace(using(`"cpu":"5m","memory":"1Ki"`), "12:00:30Z", "13:00:30+01:00", 1)),
		"white space":                              strings.NewReplacer(":", " :\n ", ",", "\t,\r\n").Replace(`{"items":[{"metadata":{"name":"shop-0","namespace":"store"},"timestamp":"2026-03-01T12`) + `:00:30Z" , "containers" : [ {"name":"shop", "usage" : { "cpu" : " 5m " , "memory": 1024 } } ] } ] } `,
	} {
		t.Run(name, func(t *testing.T) {
			samples, round, err := read(body)
			require.NoError(t, err)
			require.Equal(t, []usage.Sample{cpu(5), memory(1024)}, samples)
			require.Empty(t, round.Dropped)
		})
	}
}

func TestValuesThatCannotBeAreDroppedAndCounted(t *testing.T) {
	const good = `"memory":"1Ki"`
	for name, tc := range map[string]struct {
		pod    string
		reason Reason
	}{
		"NaN":                  {using(`"cpu":"NaN",` + good), NotANumber},
		"no digits":            {using(`"cpu":"",` + good), NotANumber},
		"true":                 {using(`"cpu":true,` + good), NotANumber},
		"null":                 {using(`"cpu":null,` + good), NotANumber},
		"an object":            {using(`"cpu":{"cpu":"1"},` + good), NotANumber},
		"infinity":             {using(`"cpu":"+Inf",` + good), NotANumber},
		"unknown suffix":       {using(`"cpu":"5x",` + good), NotANumber},
		"billions of zeros":    {using(`"cpu":"1.5e2147483647",` + good), NotANumber},
		"very long":            {using(`"cpu":"` + strings.Repeat("1", 100) + `",` + good), NotANumber},
		"negative":             {using(`"cpu":"-1n",` + good), Negative},
		"negative number":      {using(`"cpu":-1,` + good), Negative},
		"above the bound":      {using(`"cpu":"100000000001",` + good), TooLarge},
		"1e400":                {using(`"cpu":1e400,` + good), TooLarge},
		"more than 64 bits":    {using(`"cpu":"99999999999999999999",` + good), TooLarge},
		"overflows in Gi":      {using(`"cpu":"9223372036854775807Gi",` + good), TooLarge},
		"no timestamp":         {altered(`"timestamp"`, `"timestamps"`), NoTimestamp},
		"timestamp of no type": {altered(`"2026-03-01T12:00:30Z"`, `5`), NoTimestamp},
		"zero timestamp":       {altered("2026-03-01T12:00:30Z", "0001-01-01T00:00:00Z"), NoTimestamp},
		"garbled timestamp":    {altered("2026-03-01T12", "yesterday"), NoTimestamp},
		"no pod name":          {altered("shop-0", ""), NoName},
		"namespace a number":   {altered(`"store"`, "7"), NoName},
		"no container name":    {altered(`"name":"shop",`, ""), NoName},
		"name of a kilobyte":   {altered("shop-0", strings.Repeat("a", 1024)), NoName},
	} {
		t.Run(name, func(t *testing.T) {
			samples, round, err := read(items(using(`"cpu":"4m"`), tc.pod, using(`"cpu":"5m"`)))
			require.NoError(t, err)
			require.Equal(t, 3, round.Pods)
			require.Equal(t, map[Reason]int{tc.reason: 1}, round.Dropped)
			require.Contains(t, Reasons, tc.reason)
			require.Equal(t, cpu(4), samples[0])
			require.Equal(t, cpu(5), samples[len(samples)-1], "the pods before and after are as they were")
			require.Equal(t, noon, round.Newest)
		})
	}
}

// altered is a pod with one value, in which what is replaced.
func altered(what, by string) string {
	return strings.Replace(using(`"cpu":"5m"`), what, by, 1)
}

func TestShapesThatCannotBeLeaveOutWhatTheyHold(t *testing.T) {
	for name, pod := range map[string]string{
		"pod a string":           `"shop-0"`,
		"containers an object":   `{"metadata":{"name":"shop-0","namespace":"store"},"containers":{"name":"shop","usage":{"cpu":"1"}}}`,
		"container an array":     `{"metadata":{"name":"shop-0","namespace":"store"},"containers":[["shop"],7,null]}`,
		"usage an array":         `{"metadata":{"name":"shop-0","namespace":"store"},"containers":[{"usage":[{"cpu":"1"}]}]}`,
		"usage that became null": strings.Replace(using(`"cpu":"1"`), `}}]`, `},"usage":null}]`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			samples, round, err := read(items(pod, using(`"cpu":"5m"`)))
			require.NoError(t, err)
			require.Equal(t, []usage.Sample{cpu(5)}, samples)
			require.Equal(t, 2, round.Pods)
		})
	}
}

func TestAnAnswerThatIsNoListIsAnError(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"nothing":                {"", "unexpected EOF"},
		"a page of HTML":         {"<html>\n<body>502</body></html>", "invalid character '<'"},
		"an array":               {`[{}]`, "the answer is no object"},
		"a Status":               {`{"kind":"Status","status":"Failure","message":"metrics not\nyet \"there\"","reason":"ServiceUnavailable"}`, `the server sent a Status instead of a PodMetricsList: "metrics not\nyet \"there\""`},
		"a Status, kind at last": {`{"message":"not yet","kind":"Status"}`, `the server sent a Status instead of a PodMetricsList: "not yet"`},
		"pods":                   {`{"kind":"PodList","items":[{"metadata":{}}]}`, "sent a PodList"},
		"NaN without quotes":     {items(using(`"cpu":NaN`)), "invalid character 'N'"},
		"two lists":              {items() + items(), "more follows"},
		"rubbish behind":         {items() + "x", "more follows"},
		"a key that is a number": {`{"items":[{5:1}]}`, "must be a string"},
		"depth":                  {`{"x":` + strings.Repeat("[", 1e6), "depth"},
	} {
		t.Run(name, func(t *testing.T) {
			samples, _, err := read(tc.body)
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, samples)
		})
	}
}

func TestWhateverTheAnswersLengthItsBeginningHoldsTheSameSamples(t *testing.T) {
	body := items(answer, using(`"cpu":"5m","memory":"1Ki"`), using(`"cpu":"6m"`))
	all, _, err := read(body)
	require.NoError(t, err)
	require.Len(t, all, 6)
	before := 0
	for n := range len(body) {
		samples, _, err := read(body[:n])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", body[:n])
		require.GreaterOrEqual(t, len(samples), before)
		require.Equal(t, all[:len(samples)], append([]usage.Sample{}, samples...))
		before = len(samples)
	}
	require.Equal(t, 6, before)
}

// endless is an answer that begins with start and then repeats itself for ever.
type endless struct {
	start, again string
	read         int
}

func (e *endless) Read(p []byte) (int, error) {
	from := e.start
	if from == "" {
		from = e.again
	}
	n := copy(p, from)
	e.start = e.start[min(n, len(e.start)):]
	e.read += n
	return n, nil
}

func TestNothingIsHeldThatHasNoBound(t *testing.T) {
	for name, start := range map[string]string{
		"name":           `{"items":[{"metadata":{"name":"aaaaaaaa`,
		"key":            `{"aaaaaaaa`,
		"string to skip": `{"x":"aaaaaaaa`,
		"quantity":       `{"items":[{"containers":[{"usage":{"cpu":"aaaaaaaa`,
		"time":           `{"items":[{"timestamp":"aaaaaaaa`,
	} {
		t.Run(name, func(t *testing.T) {
			body := &endless{start: start, again: strings.Repeat("a", 4096)}
			_, err := decode(body, func(usage.Sample) {})
			require.ErrorContains(t, err, "is larger than 1048576 bytes")
			require.Less(t, body.read, 3*maxToken)
		})
	}
}

func TestAPodWithMoreContainersThanCanBeHasItsFirst(t *testing.T) {
	const more = 7
	pod := `{"containers":[` + strings.Repeat(`{"name":"shop","usage":{"cpu":"5m"}},`, maxContainers+more) + `{}],"metadata":{"name":"shop-0","namespace":"store"},"timestamp":"2026-03-01T12:00:30Z"}`
	samples, round, err := read(items(pod, using(`"cpu":"6m"`)))
	require.NoError(t, err)
	require.Len(t, samples, maxContainers+1)
	require.Equal(t, map[Reason]int{TooManyContainers: more}, round.Dropped)
	require.Equal(t, cpu(6), samples[maxContainers])
}

func TestNamesAreSharedUpToABound(t *testing.T) {
	n := names{}
	for i := range maxNames + 10 {
		text := fmt.Sprint(i)
		require.Equal(t, text, n.of([]byte(text)))
	}
	require.Len(t, n, maxNames)
	require.Equal(t, strings.Repeat("a", 300), names{}.of([]byte(strings.Repeat("a", 300))))
}

func TestAPodCostsOneAllocationWhateverItHolds(t *testing.T) {
	body := func(pods int) string {
		const metadata = `"name":"shop-0","namespace":"store","labels":{"app.kubernetes.io/name":"shop","pod-template-hash":"7d9f8b6c5d"}`
		pod := strings.Replace(answer, `"name": "shop-7d9f8b6c5-x2x4z", "namespace": "store"`, metadata, 1)
		return items(strings.Repeat(pod+",", pods-1) + pod)
	}
	allocs := func(body string) float64 {
		return testing.AllocsPerRun(5, func() {
			_, err := decode(strings.NewReader(body), func(usage.Sample) {})
			require.NoError(t, err)
		})
	}
	few, many := allocs(body(1000)), allocs(body(3000))
	require.InDelta(t, 2000, many-few, 20, "one for its name")
	require.Less(t, few, 1100.0)
}
