//go:build unix && !linux

package pace

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// BeIdle asks the system for the lowest priority. This system has no idle class
// of I/O that can be asked for.
func BeIdle() error {
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 19); err != nil {
		return fmt.Errorf("take the lowest priority: %w", err)
	}
	return nil
}
