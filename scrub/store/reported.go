package store

import (
	"context"

	"bitmend/hashsets"
)

// Reported is what a service says of the bytes of a blob that it holds. It
// computed that when the bytes came, so that it witnesses what was sent and
// not what the medium holds now.
type Reported struct {
	Identity hashsets.Identity
	// Digests are of all bytes.
	Digests []hashsets.Digest
	// Perhaps are digests of all bytes if the service does as most do: one
	// that matches says something, one that differs does not.
	Perhaps []hashsets.Digest
	// Composite says that a checksum is over the checksums of parts and not
	// over the bytes. No hash set can be held against it; Digests has what
	// follows from the parts.
	Composite bool
}

// Reporting is a Store whose service reports checksums.
type Reporting interface {
	// Reported returns them without reading the blob. Errors are as those of
	// Stat.
	Reported(ctx context.Context, name string) (Reported, error)
}
