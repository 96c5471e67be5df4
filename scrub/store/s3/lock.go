package s3

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"bitmend/scrub/store"
)

// A lock keeps a version of an object from being removed or overwritten. In a
// bucket that keeps versions a replacement is a version beside it, and gets the
// same lock: what was locked is not to come back unlocked.
type lock struct {
	hold  types.ObjectLockLegalHoldStatus // "" or on
	mode  types.ObjectLockMode            // "" for no retention
	until *time.Time
}

// lock is that of what the upload takes over from, as far as we may see it.
func (u *upload) lock() lock {
	var l lock
	if u.old.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		l.hold = types.ObjectLockLegalHoldStatusOn
	}
	if until := u.old.ObjectLockRetainUntilDate; u.old.ObjectLockMode != "" && until != nil && until.After(time.Now()) {
		l.mode, l.until = u.old.ObjectLockMode, until
	}
	return l
}

// explain says of a refusal that the object is locked, if it is.
func (u *upload) explain(err error) error {
	l := u.lock()
	if !errors.Is(err, store.ErrPermission) {
		return err
	}
	if l.hold != "" {
		err = fmt.Errorf("%w; it is under legal hold, and cannot be replaced before that is lifted or without s3:PutObjectLegalHold", err)
	}
	if l.mode != "" {
		err = fmt.Errorf("%w; it is locked (%s) until %s, and cannot be replaced before or without s3:PutObjectRetention", err, l.mode, aws.ToTime(l.until).UTC().Format(time.RFC3339))
	}
	return err
}
