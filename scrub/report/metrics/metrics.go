// Package metrics writes figures in the text format of Prometheus, as the
// textfile collector of node_exporter takes them.
//
// It knows the format and nothing of what is counted.
package metrics

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Family is a metric and its values, all of them gauges: a run leaves what is
// true now, and no program lives between two runs to count up.
type Family struct {
	Name    string // bitmend_gates_open, with the unit last
	Help    string // a sentence
	Samples []Sample
}

// A Sample is one value.
type Sample struct {
	Labels []Label
	Value  float64
}

// A Label tells a sample from others of its family.
type Label struct{ Name, Value string }

// Seconds is a time as Prometheus takes it: seconds since 1970.
func Seconds(at time.Time) float64 { return float64(at.UnixNano()) / float64(time.Second) }

// Write writes families in their order. One without samples is left out.
func Write(w io.Writer, families []Family) error {
	var b strings.Builder
	for _, f := range families {
		if len(f.Samples) == 0 {
			continue
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", f.Name, helpEscapes.Replace(clean(f.Help)), f.Name)
		for _, s := range f.Samples {
			b.WriteString(f.Name)
			writeLabels(&b, s.Labels)
			b.WriteString(" " + number(s.Value) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// clean keeps text UTF-8, without which the whole file would be refused.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func writeLabels(b *strings.Builder, labels []Label) {
	if len(labels) == 0 {
		return
	}
	for i, l := range labels {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(l.Name + `="` + labelEscapes.Replace(clean(l.Value)) + `"`)
	}
	b.WriteString("}")
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.Abs(v) < 1<<53:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
