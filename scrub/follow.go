package scrub

import (
	"context"
	"os"
	"sync"

	"bitmend/scrub/pace"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// followConfig reads the vault's configuration again at each hangup and gives
// the limits that changed in it to the pacer, until the function that it
// returns is called. A configuration that cannot be read changes nothing.
func followConfig(ctx context.Context, v *vault.Vault, pacer *pace.Pacer, hangups <-chan os.Signal, rep report.Reporter) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() {
		known := v.Config.Pace
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			cfg, err := vault.LoadConfig(v.Dir)
			if err != nil {
				rep.Note("the limits stay as they are: %v", err)
				continue
			}
			pacer.Set(changedLimits(known, cfg.Pace, pacer.Limits()))
			known = cfg.Pace
			rep.Note("read %s again", vault.ConfigFile)
		}
	})
	return func() {
		cancel()
		follower.Wait()
	}
}

// changedLimits returns the limits in force with what is written differently
// now. What is written as before leaves alone what flags have said.
func changedLimits(before, now, inForce pace.Limits) pace.Limits {
	if now.Rate != before.Rate {
		inForce.Rate = now.Rate
	}
	if now.IOPS != before.IOPS {
		inForce.IOPS = now.IOPS
	}
	if now.Workers != before.Workers {
		inForce.Workers = now.Workers
	}
	if now.BackOff != before.BackOff {
		inForce.BackOff = now.BackOff
	}
	return inForce
}
