// Package repair puts damaged blobs right: it makes a plan from the findings
// of a scrub, brings good shards together from every source there is, proves
// the whole against the recorded hash set, and puts it in place so that a kill
// at any instant leaves either the damaged original or the verified
// replacement.
//
// It does not judge blobs: it believes the findings, and looks again before it
// writes. It never writes what it cannot prove, never touches a blob that
// somebody meant to change, and deletes nothing of the user's: damaged
// originals go into the vault's quarantine.
package repair

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"bitmend/scrub/gate"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

// Options say what a repair run may do.
type Options struct {
	PlanOnly bool          // show the plan and change nothing
	Stores   []string      // names of the stores to repair; nil means all
	Only     []string      // globs on blob names; nil means all
	Donors   []store.Store // further sources of good bytes, in the order in which they are asked
	Approve  string        // ID of the plan whose unproven repairs a person accepts
	Revert   []string      // globs on the names of blobs whose recorded content is wanted back though somebody wrote them since; needs approval
	Exactly  *Plan         // the plan that a person approved: nothing else is done, and of it only what is still as it was planned
	Scrubbed bool          // by the run that this is a part of, which says itself what it did not look at
	RollOut  bool          // nobody watches: begin with one blob, then one in a hundred, and stop at the first that fails its proof
	Until    time.Time     // when no repair is begun any more; zero for never
	Workers  int           // blobs in work at a time; 0 chooses

	OnPlan func(*Plan) error                         // called with the plan before anything of it is done; nil for nothing
	Open   func(name string) (store.Writable, error) // opens the stores; nil opens those of the vault
	Now    func() time.Time                          // the clock; nil is time.Now
	OnStep func(Step)                                // called around each durable step; nil for nothing. With more than one worker, from many goroutines
}

// withDefaults fills in what was left to choose.
func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Workers <= 0 {
		// Small repairs wait for the disk to sync, not for the processor.
		o.Workers = 4 * runtime.GOMAXPROCS(0)
	}
	return o
}

// Run finishes or rolls back what an interrupted run left, plans the repairs
// that the catalog's findings call for, and applies those that are good, or
// approved. A blob that cannot be repaired is reported and the rest goes on.
//
// The error is gate.ErrRefused when an open gate kept anything from being
// repaired, the context's when it ended first, and otherwise what kept the run
// from doing its work. The summary is valid with any of them.
func Run(ctx context.Context, v *vault.Vault, opts Options, rep report.Reporter) (report.Summary, error) {
	opts = opts.withDefaults()
	r := newRun(v, opts, rep)
	err := r.all(ctx)
	r.close(err)
	return r.summary, err
}

func (r *run) all(ctx context.Context) error {
	if !r.opts.PlanOnly {
		if err := r.recoverAll(ctx); err != nil {
			return err
		}
	}
	plan, err := r.makePlan(ctx)
	if err != nil {
		return fmt.Errorf("plan repairs: %w", err)
	}
	r.plan = plan
	r.countFindings()
	if err := r.askLastScrub(ctx); err != nil {
		return err
	}
	for name, err := range r.unreachable {
		r.rep.Note("store %q cannot be reached, and is neither repaired nor asked: %v", name, err)
	}
	if r.opts.OnPlan != nil {
		if err := r.opts.OnPlan(plan); err != nil {
			return err
		}
	}
	if r.opts.PlanOnly {
		r.show()
		r.summary.Estimate, err = r.traffic(ctx, plan)
		return err
	}
	if err := r.keepToApproved(); err != nil {
		return err
	}
	if err := r.startRun(ctx); err != nil {
		return err
	}
	err = r.apply(ctx)
	r.close(err)
	err = errors.Join(err, r.finishRun(context.WithoutCancel(ctx)))
	if err == nil && r.summary.Refused {
		return fmt.Errorf("repair: %w", gate.ErrRefused)
	}
	return err
}

// keepToApproved leaves of the plan what a person approved, if one was.
func (r *run) keepToApproved() error {
	if r.opts.Exactly == nil {
		return nil
	}
	extra, err := r.plan.restrict(r.opts.Exactly)
	if err != nil {
		return fmt.Errorf("carry out plan %s: %w", r.opts.Exactly.ID, err)
	}
	r.opts.Approve = r.plan.ID
	if extra > 0 {
		r.rep.Note("%d more repairs are called for by now, and the plan does not have them; make a new plan for them", extra)
	}
	return nil
}

// close completes the summary of a run that ended with err.
func (r *run) close(err error) {
	r.summary.Elapsed = r.opts.Now().Sub(r.started)
	r.summary.Traffic = r.vault.Traffic()
	r.summary.Cancelled = errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	r.summary.Failed = len(r.unreachable) > 0 || err != nil && !r.summary.Cancelled && !errors.Is(err, gate.ErrRefused)
	r.summary.Exit = int(report.ExitOf(r.summary))
}

// apply carries the plan out.
func (r *run) apply(ctx context.Context) error {
	r.reportLeft()
	admitted, err := r.admit(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(r.applyAdmitted(ctx, admitted), r.putBackDirectories(context.WithoutCancel(ctx)))
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// applyAdmitted takes directories first, so that what lies in them finds its
// place, and parity files last, when the data is good again.
func (r *run) applyAdmitted(ctx context.Context, admitted []*Planned) error {
	var blobs, parityFiles []*Planned
	for _, p := range admitted {
		var err error
		switch p.Action {
		case MakeDirectory:
			err = r.settle(ctx, p, r.makeDirectory(ctx, p))
		case HealRecord:
			err = r.begins()
			if err == nil {
				err = r.healRecord(ctx, p)
			}
			err = r.settle(ctx, p, err)
		case RebuildParity:
			parityFiles = append(parityFiles, p)
		default:
			blobs = append(blobs, p)
		}
		if err != nil {
			return err
		}
	}
	repairBlobs := r.applyInBatches
	if r.opts.RollOut {
		repairBlobs = r.rollOut
	}
	if err := repairBlobs(ctx, blobs); err != nil {
		return err
	}
	return r.rebuildParity(ctx, parityFiles)
}
