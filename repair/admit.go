package repair

import (
	"context"
	"fmt"

	"bitmend/scrub/report"
)

// admit returns the repairs that may run: the good ones, and unproven ones of
// a plan that a person approved. The others are reported as refused.
func (r *run) admit(ctx context.Context) ([]*Planned, error) {
	var admitted []*Planned
	for i := range r.plan.Repairs {
		p := &r.plan.Repairs[i]
		if p.Grade == Refused {
			if err := r.refuse(ctx, p); err != nil {
				return nil, err
			}
			continue
		}
		if why := r.notApproved(p); why != "" {
			r.rep.Repair(report.Repair{Store: p.Store, Blob: p.Blob, Outcome: report.Refused, Reason: why})
			continue
		}
		admitted = append(admitted, p)
	}
	return admitted, nil
}

// refuse reports the gates that are in the way of a repair.
func (r *run) refuse(ctx context.Context, p *Planned) error {
	gates, err := r.gatesOf(ctx, p.Store)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.summary.Refused = true
	r.mu.Unlock()
	r.tellGates(gates)
	for _, name := range p.damagedNames() {
		r.rep.Repair(report.Repair{Store: p.Store, Blob: name, Outcome: report.Refused, Reason: p.Reason})
	}
	return nil
}

// notApproved says why a repair waits for a person; "" when it does not.
func (r *run) notApproved(p *Planned) string {
	switch {
	case r.opts.Approve != "" && r.opts.Approve != r.plan.ID:
		return fmt.Sprintf("plan %s was approved, and the plan is %s by now: look at it with --plan", r.opts.Approve, r.plan.ID)
	case p.Grade == Investigate && r.opts.Approve == "":
		return fmt.Sprintf("%s; look at it with --plan, then run repair --approve %s", p.Reason, r.plan.ID)
	}
	return ""
}

func (r *run) repairedSoFar() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.summary.Repaired
}

// readAgain drops the finding of a blob whose damaged shard read well on
// re-reading, if all of it reads well now.
func (r *run) readAgain(ctx context.Context, j *job) error {
	if j.seen != nil {
		whole, err := r.isRecorded(ctx, j)
		if err != nil {
			return err
		}
		if whole {
			return r.foundIntact(ctx, j, *j.seen)
		}
	}
	return skipped("it does not read well this time: scrub again, so that it is judged anew")
}
