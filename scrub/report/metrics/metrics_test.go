package metrics_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"bitmend/scrub/report/metrics"
)

func TestWrite(t *testing.T) {
	families := []metrics.Family{
		{Name: "bitmend_gates_open", Help: "Open gates,\nby \\ name.", Samples: []metrics.Sample{
			{Labels: []metrics.Label{{Name: "vault", Value: "/srv/a\"b\\c\nd"}, {Name: "gate", Value: "caf\xe9\t"}}, Value: 2},
			{Value: 0.25},
		}},
		{Name: "bitmend_nothing", Help: "It has no samples."},
		{Name: "bitmend_run_last_timestamp_seconds", Help: "When.", Samples: []metrics.Sample{
			{Value: metrics.Seconds(time.Date(2026, 11, 26, 12, 0, 0, 5e8, time.UTC))},
			{Value: math.Inf(1)}, {Value: math.NaN()}, {Value: -1}, {Value: 1 << 60},
		}},
	}
	const want = `# HELP bitmend_gates_open Open gates,\nby \\ name.
# TYPE bitmend_gates_open gauge
bitmend_gates_open{vault="/srv/a\"b\\c\nd",gate="caf` + "\uFFFD\t" + `"} 2
bitmend_gates_open 0.25
# HELP bitmend_run_last_timestamp_seconds When.
# TYPE bitmend_run_last_timestamp_seconds gauge
bitmend_run_last_timestamp_seconds 1795694400.5
bitmend_run_last_timestamp_seconds +Inf
bitmend_run_last_timestamp_seconds NaN
bitmend_run_last_timestamp_seconds -1
bitmend_run_last_timestamp_seconds 1.152921504606847e+18
`
	var b strings.Builder
	if err := metrics.Write(&b, families); err != nil || b.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestAFullDiskIsSaid(t *testing.T) {
	if err := metrics.Write(full{}, nil); err == nil {
		t.Error("nothing is said of it")
	}
}
