//go:build unix

package repair_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bitmend/repair"
	"bitmend/scrub"
	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// A mover is a run of a verb that moves bytes.
type mover func(ctx context.Context, w *world, v *vault.Vault) (report.Summary, error)

func scrubAndRepair(ctx context.Context, w *world, v *vault.Vault) (report.Summary, error) {
	h := repair.Healer{}
	found, err := scrub.Run(ctx, v, scrub.Options{Rescue: h.Rescue(v)}, &heard{})
	w.must(err)
	return h.Heal(ctx, v, found, scrub.Options{}, &heard{})
}

func repairOnly(ctx context.Context, _ *world, v *vault.Vault) (report.Summary, error) {
	return repair.Run(ctx, v, repair.Options{}, &heard{})
}

func reseedFromDonor(ctx context.Context, w *world, v *vault.Vault) (report.Summary, error) {
	donor, err := v.OpenDonor(w.root("donor"), "/")
	w.must(err)
	return repair.Reseed(ctx, v, "primary", repair.Options{Donors: []store.Store{donor}}, &heard{})
}

func restoreAll(ctx context.Context, w *world, v *vault.Vault) (report.Summary, error) {
	return repair.Restore(ctx, v, repair.RestoreOptions{At: time.Now(), Said: "now", To: w.root("back")}, &heard{})
}

// Whatever moves bytes keeps to the rate, on a clock that waiting alone moves:
// scrubs, and repairs from every source and to every place. What they read
// besides the damaged blob, and what they read back, counts too.
func TestRunsKeepToTheirRate(t *testing.T) {
	const rate = 1 << 20       // bytes a second
	const blob = 5 * shard / 2 // of 24
	damages := map[string]func(w *world){
		"nothing":       func(*world) {},
		"a lost blob":   func(w *world) { w.must(os.Remove(w.path("primary", "d/017"))) },
		"and a scrub":   func(w *world) { w.must(os.Remove(w.path("primary", "d/017"))); w.scrub() },
		"a hard link":   func(w *world) { w.scramble("primary", "d/linked", 1) },
		"a parity file": func(w *world) { w.must(os.Remove(w.path("vault", "parity/1/"+w.parityNames()[0]))) },
		"an empty new disk": func(w *world) {
			w.must(os.Rename(w.root("primary"), w.root("donor")))
			w.must(os.Remove(w.path("donor", "d/017"))) // the stripes have it
			w.must(os.Mkdir(w.root("primary"), 0o755))
			w.replaceDisk("primary")
		},
	}
	for _, c := range []struct {
		name, damage string
		run          mover
		least        int64 // blobs that are moved at least
	}{
		{"scrub", "nothing", scrubAndRepair, 24 + 6},
		{"scrub --repair", "a lost blob", scrubAndRepair, 24 + 6 + 2*8 + 2},
		{"scrub --repair", "a hard link", scrubAndRepair, 24 + 6 + 2*3 + 8},
		{"scrub --repair", "a parity file", scrubAndRepair, 2 * (24 + 6)},
		{"repair", "and a scrub", repairOnly, 7 + 2},
		{"repair --reseed", "an empty new disk", reseedFromDonor, 3*23 + 7 + 2},
		{"restore", "nothing", restoreAll, 3 * 24},
	} {
		t.Run(c.name+" of "+strings.TrimPrefix(c.damage, "and "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newParityWorld(t, 8, 2)
				w.fill(24)
				w.must(os.Link(w.path("primary", "d/000"), w.path("primary", "d/linked")))
				w.protect()
				good := w.snapshot("primary")
				damages[c.damage](w)
				w.with(func(v *vault.Vault) {
					v.HoldTo(t.Context(), pace.New(pace.Limits{Rate: rate}))
					begun := time.Now()
					summary, err := c.run(t.Context(), w, v)
					w.must(err)
					moved := float64(time.Since(begun)) / float64(time.Second) * rate / blob
					said := float64(summary.BytesRead+summary.BytesWritten) / blob
					if moved < float64(c.least) || moved < said*0.99 || c.name == "scrub" && moved > said*1.01 {
						t.Errorf("so much was held to the rate as %.1f blobs are; it says %.1f, and %d must be", moved, said, c.least)
					}
				})
				w.same(good, "primary")
			})
		})
	}
}

// When the hours of a run are over no repair is begun, and the next run does it.
func TestNoRepairIsBegunAfterTheHours(t *testing.T) {
	w := newParityWorld(t, 8, 2)
	w.fill(24)
	w.protect()
	good := w.snapshot("primary")
	w.scramble("primary", "d/003", 1)
	w.must(os.Remove(w.path("vault", "parity/1/"+w.parityNames()[0])))
	damaged := w.snapshot("primary")
	six := time.Now()
	heal := func(now time.Time) (h *heard, summary report.Summary) {
		h = &heard{}
		w.with(func(v *vault.Vault) {
			found, err := scrub.Run(t.Context(), v, scrub.Options{}, &heard{})
			w.must(err)
			summary, err = repair.Healer{}.Heal(t.Context(), v, found, scrub.Options{HealUntil: six, Now: func() time.Time { return now }}, h)
			w.must(err)
		})
		return h, summary
	}
	h, summary := heal(six)
	if e := w.expect(h, "primary", "d/003", report.Skipped); !strings.Contains(e.Reason, "hours") || summary.Exit != int(report.ExitDamageLeft) || len(h.repairs) != 2 {
		t.Errorf("%+v, exit %d", h.repairs, summary.Exit)
	}
	w.same(damaged, "primary")
	if _, summary := heal(six.Add(-time.Second)); summary.Repaired != 1 || summary.Parity.Repaired != 1 {
		t.Errorf("the next run: %+v", summary)
	}
	w.same(good, "primary")
}
