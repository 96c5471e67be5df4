package scrub

import (
	"context"

	"bitmend/scrub/finding"
)

func (x *examiner) diagnose(ctx context.Context, f *finding.Finding, w witnesses) {
	f.Diagnosis = finding.Unknown
}
