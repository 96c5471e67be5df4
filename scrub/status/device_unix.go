//go:build unix

package status

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// deviceName writes the number of a device as lsblk and /proc/partitions do.
func deviceName(device uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(device), unix.Minor(device))
}
