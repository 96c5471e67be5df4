package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"bitmend/hashsets/catalog"
	"bitmend/scrub/report"
	"bitmend/scrub/vault"
)

// ErrHold is wrapped when the hold command did not do its work: what copies to
// lagged stores may go on.
var ErrHold = errors.New("the hold command failed")

// heldOutput bounds what is kept of what the command writes, in bytes.
const heldOutput = 1 << 20

// spreads tells whether what opens a gate may reach a lagged store with the
// next synchronisation.
func spreads(name string) bool {
	return slices.Contains([]string{MassDamage, MassMissing, MassChange, Poisoned}, name)
}

// Hold runs the configured command once for each open gate whose trouble may
// spread, so that what copies to a lagged store does not overwrite the last
// good copy, and says so. One that failed, which is ErrHold, is run again by
// the next run.
func Hold(ctx context.Context, v *vault.Vault, rep report.Reporter, at time.Time) error {
	if len(v.Config.Hold.Command) == 0 {
		return nil
	}
	open, err := v.Catalog.Gates(ctx, false)
	if err != nil {
		return fmt.Errorf("look for gates to hold for: %w", err)
	}
	var errs []error
	for _, g := range open {
		if spreads(g.Name) {
			errs = append(errs, holdFor(ctx, v, g, rep, at))
		}
	}
	return errors.Join(errs...)
}

func holdFor(ctx context.Context, v *vault.Vault, g catalog.Gate, rep report.Reporter, at time.Time) error {
	before, err := HeldAt(ctx, v.Catalog, g.ID)
	if err != nil || !before.IsZero() {
		return err
	}
	output := filepath.Join(v.HoldDir(), fmt.Sprintf("gate-%d.log", g.ID))
	if err := runHold(ctx, v, g, output); err != nil {
		return fmt.Errorf("%w for gate %d (%s): %w; its output is in %s; stop by hand what copies to the lagged stores", ErrHold, g.ID, g.Name, err, output)
	}
	rep.Note("the hold command was run for gate %d (%s); its output is in %s", g.ID, g.Name, output)
	err = v.Catalog.Update(ctx, func(tx *catalog.Tx) error {
		return tx.PutSetting(heldKey(g.ID), at.UTC().Format(time.RFC3339Nano))
	})
	if err != nil {
		return fmt.Errorf("note that the hold command was run for gate %d: %w", g.ID, err)
	}
	return nil
}

// HeldAt returns when the hold command was run well for a gate; zero when it
// was not.
func HeldAt(ctx context.Context, c *catalog.Catalog, id int64) (time.Time, error) {
	value, err := c.Setting(ctx, heldKey(id))
	if err != nil || value == "" {
		return time.Time{}, err
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return at, fmt.Errorf("look up when gate %d was held for: %w", id, err)
	}
	return at, nil
}

func heldKey(id int64) string { return heldPrefix + strconv.FormatInt(id, 10) }

// runHold runs the command within its time, its output going to a file.
func runHold(ctx context.Context, v *vault.Vault, g catalog.Gate, output string) (err error) {
	if err := os.MkdirAll(filepath.Dir(output), 0o700); err != nil {
		return fmt.Errorf("make the folder for its output: %w", err)
	}
	file, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep its output: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	limited, stop := context.WithTimeout(ctx, v.Config.Hold.Timeout)
	defer stop()
	words := v.Config.Hold.Command
	command := exec.CommandContext(limited, words[0], words[1:]...)
	command.Dir = v.Dir
	command.Env = append(os.Environ(), "BITMEND_VAULT="+v.Dir, "BITMEND_GATE="+g.Name, "BITMEND_STORE="+g.Store)
	bounded := &boundedWriter{to: file, left: heldOutput}
	command.Stdout, command.Stderr = bounded, bounded
	// What it left running may hold its output open for ever.
	command.WaitDelay = time.Second
	err = command.Run()
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("it did not end within %v", v.Config.Hold.Timeout)
	}
	return err
}

// boundedWriter keeps the beginning of what is written.
type boundedWriter struct {
	to   io.Writer
	left int
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if _, err := w.to.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
