package status

import (
	"strconv"

	"bitmend/scrub/finding"
	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/report/metrics"
)

// percentiles of the ages of blobs that are told.
func percentiles() []float64 { return []float64{50, 90, 99} }

// Metrics is the state in figures for Prometheus. Times are told as times and
// not as ages: a file that nobody writes any more must not keep them young.
func (s *State) Metrics() []metrics.Family {
	g := gauges{vault: s.Vault}
	s.runMetrics(&g)
	g.family("bitmend_protected_blobs", "Blobs that are recorded.")
	g.add(float64(s.Totals.Blobs))
	g.family("bitmend_protected_bytes", "Bytes of the blobs that are recorded.")
	g.add(float64(s.Totals.Bytes))
	s.coverageMetrics(&g)
	s.findingMetrics(&g)
	s.parityMetrics(&g)
	return g.families
}

// gauges gathers families. Each sample has the vault, so that the files of
// several vaults can lie in one folder.
type gauges struct {
	vault    string
	families []metrics.Family
}

func (g *gauges) family(name, help string) {
	g.families = append(g.families, metrics.Family{Name: name, Help: help})
}

// add adds a sample to the newest family; labels are names and values in turn.
func (g *gauges) add(value float64, labels ...string) {
	f := &g.families[len(g.families)-1]
	sample := metrics.Sample{Labels: []metrics.Label{{Name: "vault", Value: g.vault}}, Value: value}
	for i := 0; i+1 < len(labels); i += 2 {
		sample.Labels = append(sample.Labels, metrics.Label{Name: labels[i], Value: labels[i+1]})
	}
	f.Samples = append(f.Samples, sample)
}

// runMetrics tells of the last run of each verb.
func (s *State) runMetrics(g *gauges) {
	verbs := []string{"protect", "scrub", "repair"}
	of := func(wanted func(*Run) bool, value func(*Run) float64) {
		for _, verb := range verbs {
			if r := s.Last(verb, wanted); r != nil {
				g.add(value(r), "verb", verb)
			}
		}
	}
	g.family("bitmend_run_last_complete_timestamp_seconds", "When the last run ended that did all it was to do, whatever it found.")
	of((*Run).Complete, func(r *Run) float64 { return metrics.Seconds(r.Finished) })
	g.family("bitmend_run_last_timestamp_seconds", "When the last run ended, complete or not.")
	of(Ended, func(r *Run) float64 { return metrics.Seconds(r.Finished) })
	g.family("bitmend_run_duration_seconds", "How long the last run took.")
	of(Ended, func(r *Run) float64 { return r.Elapsed.Seconds() })
	g.family("bitmend_run_blobs", "Blobs that the last run looked at.")
	of(Ended, func(r *Run) float64 { return float64(r.Blobs) })
	g.family("bitmend_run_read_bytes", "Bytes of blobs that the last run read.")
	of(Ended, func(r *Run) float64 { return float64(r.Bytes) })
	g.family("bitmend_run_exit_status", "Exit status of the last run, a sum of bits; 0 is that all is well.")
	of(Ended, func(r *Run) float64 { return float64(r.Exit) })
}

func (s *State) coverageMetrics(g *gauges) {
	g.family("bitmend_store_blobs", "Blobs that are recorded and expected in the store.")
	s.ofStores(g, func(one *Store) float64 { return float64(one.Blobs) })
	g.family("bitmend_store_never_verified_blobs", "Blobs that were never looked at in the store.")
	s.ofStores(g, func(one *Store) float64 { return float64(one.Never) })
	g.family("bitmend_store_overdue_blobs", "Blobs that were not looked at for longer than max_age promises.")
	s.ofStores(g, func(one *Store) float64 { return float64(one.Overdue.Blobs) })
	g.family("bitmend_coverage_oldest_timestamp_seconds", "When the blob of the store that has waited longest was last looked at.")
	for i := range s.Stores {
		if one := &s.Stores[i]; !one.Oldest.IsZero() {
			g.add(metrics.Seconds(one.Oldest), "store", one.Name)
		}
	}
	g.family("bitmend_coverage_timestamp_seconds", "The percentage of blobs in percentile was looked at since then, to the hour; one that never was counts from when it was recorded.")
	for i := range s.Stores {
		one := &s.Stores[i]
		if one.Blobs == 0 {
			continue
		}
		for _, percent := range percentiles() {
			g.add(metrics.Seconds(s.At.Add(-one.Ages.Percentile(percent))), "store", one.Name, "percentile", strconv.FormatFloat(percent, 'f', -1, 64))
		}
	}
	g.family("bitmend_coverage_promise_seconds", "Within which each blob is to be looked at: max_age.")
	if s.Promise.MaxAge > 0 {
		g.add(s.Promise.MaxAge.Seconds())
	}
}

func (s *State) ofStores(g *gauges, value func(*Store) float64) {
	for i := range s.Stores {
		g.add(value(&s.Stores[i]), "store", s.Stores[i].Name)
	}
}

// findingMetrics tells zeros too: a series that vanishes fires no alert.
func (s *State) findingMetrics(g *gauges) {
	g.family("bitmend_findings", "Blobs that are not intact as far as is known; parity files under the store parity.")
	for _, name := range s.storeNames() {
		for _, verdict := range report.Verdicts() {
			g.add(float64(s.Counts[Cell{name, verdict}]), "store", name, "verdict", string(verdict))
		}
	}
	g.family("bitmend_lost_blobs", "Blobs that no known source can rebuild.")
	g.add(float64(s.Lost))
	g.family("bitmend_gates_open", "Open gates: while one is, nothing is written there until a person clears it.")
	open := map[string]int{}
	for _, one := range s.Gates {
		open[one.Name]++
	}
	for _, name := range gate.Names() {
		g.add(float64(open[name]), "gate", name)
	}
}

func (s *State) storeNames() []string {
	var names []string
	for _, one := range s.Stores {
		names = append(names, one.Name)
	}
	return append(names, finding.ParityStore)
}

func (s *State) parityMetrics(g *gauges) {
	g.family("bitmend_parity_files", "Parity files in force.")
	g.add(float64(s.Parity.Files))
	g.family("bitmend_parity_bytes", "Bytes of the parity files in force.")
	g.add(float64(s.Parity.Bytes))
	g.family("bitmend_parity_damaged_files", "Parity files that are known to be damaged.")
	g.add(float64(s.BadParity))
	g.family("bitmend_redundancy_left_shards", "How many more shards of the worst stripe of the set may go bad before something is lost.")
	for _, set := range s.Sets {
		g.add(float64(set.Left), "set", strconv.FormatInt(set.ID, 10))
	}
}
