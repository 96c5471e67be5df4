//go:build !unix

package status

import "strconv"

func deviceName(device uint64) string { return strconv.FormatUint(device, 10) }
