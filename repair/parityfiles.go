package repair

import "context"

// rebuildParity encodes damaged parity files anew.
func (r *run) rebuildParity(ctx context.Context, files []*Planned) error {
	for _, p := range files {
		if err := r.settle(ctx, p, skipped("run protect, which encodes it anew")); err != nil {
			return err
		}
	}
	return nil
}
