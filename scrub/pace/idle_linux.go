package pace

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// BeIdle asks the system to serve this process last: the idle class of I/O,
// where the I/O scheduler of the device knows classes, and the lowest priority
// of computing. Linux keeps both by thread; those to come have them from the
// threads that make them, so that it is done until no thread is new.
func BeIdle() error {
	done := map[int]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("take the idle class of I/O: %w", err)
		}
		fresh := false
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[id] {
				continue
			}
			done[id], fresh = true, true
			if err := idleThread(id); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("take the idle class of I/O: %w", err)
			}
		}
		if !fresh {
			return nil
		}
	}
}

func idleThread(id int) error {
	// include/uapi/linux/ioprio.h
	const whoProcess, classIdle, classShift = 1, 3, 13
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(id), classIdle<<classShift); errno != 0 {
		return errno
	}
	return unix.Setpriority(unix.PRIO_PROCESS, id, 19)
}
