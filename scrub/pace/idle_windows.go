package pace

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// BeIdle asks the system for the background mode: low priority of computing,
// of I/O and of memory.
func BeIdle() error {
	if err := windows.SetPriorityClass(windows.CurrentProcess(), windows.PROCESS_MODE_BACKGROUND_BEGIN); err != nil {
		return fmt.Errorf("take the background mode: %w", err)
	}
	return nil
}
