// Package status answers from the catalog alone: what is protected, how lately
// it was verified, what is damaged or lost, and which gates are open.
//
// It reads no blob and writes nothing.
package status

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bitmend/hashsets"
	"bitmend/hashsets/catalog"
	"bitmend/scrub/coverage"
	"bitmend/scrub/finding"
	"bitmend/scrub/vault"
)

// A State is what the vault knows of its stores.
type State struct {
	At         time.Time
	Vault      string
	Algorithms []hashsets.Algorithm
	Totals     catalog.Totals
	Parity     Parity
	Stores     []Store
	Promise    Promise
	Findings   []finding.Finding // at most FindingsShown of them, by store and name
	Verdicts   map[finding.Verdict]int64
	Lost       int64
	BadParity  int64 // findings of parity files
	Gates      []catalog.Gate
	LastRun    *catalog.Run // of scrub; nil when there was none
}

// FindingsShown bounds the findings that a State holds.
const FindingsShown = 1000

// Parity is what the parity files amount to.
type Parity struct {
	Sets  int
	Files int64
	Bytes int64
}

// Store is how lately the blobs of one store were looked at.
type Store struct {
	Name string
	Role vault.Role
	coverage.Survey
	Rewind *Rewind // of a lagged store; else nil
}

// Promise is what max_age of the configuration promises, and how it is kept.
type Promise struct {
	MaxAge  time.Duration // 0 when nothing is promised
	Overdue coverage.Backlog
	Bytes   int64         // of all blobs in all stores: what must be read within MaxAge
	Rate    coverage.Rate // of late
}

// Look gathers the state of a vault.
func Look(ctx context.Context, v *vault.Vault, now time.Time) (State, error) {
	s := State{At: now, Vault: v.Dir, Algorithms: v.Config.Algorithms, Verdicts: map[finding.Verdict]int64{}}
	for _, gather := range []func(context.Context, *vault.Vault) error{
		s.gatherTotals, s.gatherParity, s.gatherStores, s.gatherFindings, s.gatherRuns,
	} {
		if err := gather(ctx, v); err != nil {
			return State{}, fmt.Errorf("look at the state of %s: %w", v.Dir, err)
		}
	}
	return s, nil
}

func (s *State) gatherTotals(ctx context.Context, v *vault.Vault) (err error) {
	if s.Totals, err = v.Catalog.Totals(ctx); err != nil {
		return err
	}
	s.Gates, err = v.Catalog.Gates(ctx, false)
	return err
}

func (s *State) gatherParity(ctx context.Context, v *vault.Vault) error {
	sets, err := v.Catalog.Sets(ctx)
	if err != nil {
		return err
	}
	s.Parity.Sets = len(sets)
	for band, err := range v.Catalog.Bands(ctx, 0) {
		if err != nil {
			return err
		}
		for _, file := range band.Files {
			s.Parity.Files++
			s.Parity.Bytes += file.Hashes.Size
		}
	}
	return nil
}

func (s *State) gatherStores(ctx context.Context, v *vault.Vault) error {
	s.Promise.MaxAge = v.Config.MaxAge
	for _, cfg := range v.Config.Stores {
		one := Store{Name: cfg.Name, Role: cfg.Role}
		if cfg.Role == vault.Lagged {
			rewind, err := gatherRewind(ctx, v, cfg)
			if err != nil {
				return err
			}
			one.Rewind = rewind
		}
		seen, err := coverage.Look(ctx, v.Catalog, cfg, v.Config.MaxAge, s.At)
		if err != nil {
			return err
		}
		one.Survey = seen
		s.Stores = append(s.Stores, one)
		s.Promise.Bytes += seen.Bytes
		s.Promise.Overdue.Blobs += seen.Overdue.Blobs
		s.Promise.Overdue.Bytes += seen.Overdue.Bytes
	}
	return nil
}

func (s *State) gatherFindings(ctx context.Context, v *vault.Vault) error {
	for row, err := range v.Catalog.Findings(ctx, "") {
		if err != nil {
			return err
		}
		var f finding.Finding
		if err := json.Unmarshal(row.Detail, &f); err != nil {
			return fmt.Errorf("read the finding of %q: %w", row.Name, err)
		}
		f.Lost = row.Lost
		if f.Store == finding.ParityStore {
			s.BadParity++
		} else {
			s.Verdicts[f.Verdict]++
		}
		if f.Lost != "" {
			s.Lost++
		}
		if len(s.Findings) < FindingsShown {
			s.Findings = append(s.Findings, f)
		}
	}
	return nil
}

func (s *State) gatherRuns(ctx context.Context, v *vault.Vault) error {
	runs, err := v.Catalog.Runs(ctx, 100)
	if err != nil {
		return err
	}
	if s.Promise.Rate, err = coverage.RateOf(runs, s.At); err != nil {
		return err
	}
	for _, r := range runs {
		if r.Verb == "scrub" && !r.Finished.IsZero() {
			s.LastRun = &r
			break
		}
	}
	return nil
}

// Damaged counts the findings of blobs that are damage.
func (s *State) Damaged() int64 {
	var n int64
	for verdict, count := range s.Verdicts {
		if verdict.Damaged() {
			n += count
		}
	}
	return n
}
