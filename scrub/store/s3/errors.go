package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"bitmend/scrub/store"
)

// What a service delivered and is not what it was asked for.
var (
	errWrongRange = errors.New("the service delivered another range than it was asked for")
	errCutShort   = errors.New("the body was cut short")
)

// errNoCredentials is what a request fails with that could not be signed.
var errNoCredentials = errors.New("there are no credentials for object storage: they come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the shared files")

// A cause is why a request failed, as far as it decides what is done.
type cause int

const (
	unknown     cause = iota
	cancelled         // the caller ended it
	noBlob            // no such key or version
	noBucket          // no such bucket
	denied            // the right to do so is missing
	credentials       // nobody is believed to be who they say: of the host, not of the blob
	changed           // a condition on the ETag does not hold
	archived          // in a tier that must be restored first
	unsupported       // the service does not have this
	throttled         // the service has too much to do: of the host, not of the blob
	failing           // the service fails
	broken            // the transfer broke off
	unreachable       // no connection was made
)

// causes of errors by their codes. HEAD has no body, and so no code but the
// status's.
var causes = map[string]cause{
	"NoSuchKey": noBlob, "NotFound": noBlob, "NoSuchVersion": noBlob,
	"NoSuchBucket": noBucket,
	"AccessDenied": denied, "Forbidden": denied, "AllAccessDisabled": denied, "AccountProblem": denied, "ObjectLocked": denied,
	"ExpiredToken": credentials, "ExpiredTokenException": credentials, "TokenRefreshRequired": credentials,
	"InvalidToken": credentials, "InvalidAccessKeyId": credentials, "SignatureDoesNotMatch": credentials,
	"RequestTimeTooSkewed": credentials, "RequestExpired": credentials,
	"PreconditionFailed": changed, "ConditionalRequestConflict": changed,
	"InvalidRange":       changed, // nothing is asked for but what there was
	"InvalidObjectState": archived,
	"NotImplemented":     unsupported, "MethodNotAllowed": unsupported,
	"SlowDown": throttled, "Throttling": throttled, "ThrottlingException": throttled, "RequestLimitExceeded": throttled,
	"BandwidthLimitExceeded": throttled, "ServiceUnavailable": throttled, "TooManyRequests": throttled,
	"InternalError": failing, "RequestTimeout": failing, "OperationAborted": failing,
}

func causeOf(err error) cause {
	if errors.Is(err, errNoCredentials) {
		return credentials
	}
	if errors.Is(err, errStalled) || errors.Is(err, errCutShort) || errors.Is(err, errWrongRange) {
		return broken
	}
	if c, ok := causes[code(err)]; ok {
		return c
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() >= 300 {
		return causeOfStatus(response.HTTPStatusCode())
	}
	var dial *net.OpError
	var name *net.DNSError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return cancelled
	case errors.As(err, &name), errors.As(err, &dial) && dial.Op == "dial":
		return unreachable
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &dial):
		return broken
	}
	var sent *smithyhttp.RequestSendError
	if errors.As(err, &sent) {
		return broken
	}
	return unknown
}

func causeOfStatus(status int) cause {
	switch status {
	case http.StatusNotFound:
		return noBlob
	case http.StatusForbidden:
		return denied
	case http.StatusUnauthorized:
		return credentials
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusRequestedRangeNotSatisfiable:
		return changed
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return unsupported
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return throttled
	}
	if status >= 500 {
		return failing
	}
	return unknown
}

// isTransient tells whether the same request may do better later.
func isTransient(err error) bool {
	switch causeOf(err) {
	case throttled, failing, broken, unreachable:
		return true
	case credentials, unknown:
		return isExpired(err)
	case changed:
		return code(err) == "ConditionalRequestConflict"
	}
	return false
}

// code is what the service calls an error; "" when it said none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// isExpired tells whether fresh credentials may help. HEAD says of them only
// that the request is bad.
func isExpired(err error) bool {
	switch code(err) {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "BadRequest":
		return true
	}
	return false
}

// rights names what a denied request would have needed, in the words of the
// policies.
var rights = map[string]string{
	"list":                 "s3:ListBucket",
	"list versions of":     "s3:ListBucketVersions",
	"look at":              "s3:GetObject; without s3:ListBucket a missing object looks like this too",
	"open":                 "s3:GetObject; without s3:ListBucket a missing object looks like this too",
	"read":                 "s3:GetObject",
	"read tags of":         "s3:GetObjectTagging",
	"publish":              "s3:PutObject",
	"copy a version of":    "s3:GetObjectVersion and s3:PutObject",
	"ask for the parts of": "s3:GetObjectAttributes",
	"abort the upload of":  "s3:AbortMultipartUpload",
	"remove":               "s3:DeleteObject",
}

// delivers are the requests whose failing says something of a blob: the
// service holds it and does not deliver it.
var delivers = map[string]bool{"look at": true, "open": true, "read": true, "read tags of": true}

// refused gives an error that is final the sentinel that callers decide by,
// and says what was being done.
func (b *Bucket) refused(ctx context.Context, doing, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch causeOf(err) {
	case noBlob:
		err = fmt.Errorf("%w: %w", store.ErrNotFound, bare(err))
	case noBucket:
		err = fmt.Errorf("%w: %w", store.ErrNotMounted, bare(err))
	case denied:
		err = fmt.Errorf("%w: %w", store.ErrPermission, bare(err))
		if right := rights[doing]; right != "" {
			err = fmt.Errorf("%w (it needs %s)", err, right)
		}
	case changed:
		err = fmt.Errorf("%w: %w", store.ErrChanged, bare(err))
	case archived:
		err = fmt.Errorf("%w: %w", store.ErrArchived, bare(err))
	case unsupported:
		err = fmt.Errorf("%w: %w", store.ErrUnsupported, bare(err))
	case failing, broken:
		if err = bare(err); delivers[doing] {
			err = fmt.Errorf("%w: %w", store.ErrMedium, err)
		}
	case credentials:
		if !errors.Is(err, errNoCredentials) {
			err = fmt.Errorf("the service does not accept the credentials: %w", bare(err))
		}
	default:
		err = bare(err)
	}
	return b.fail(doing, name, err)
}

// bare takes off what the client's library says of itself. What the service
// says stays.
func bare(err error) error {
	var api smithy.APIError
	var response *smithyhttp.ResponseError
	if errors.As(err, &api) {
		if errors.As(err, &response) {
			return fmt.Errorf("the service said %d %s: %q", response.HTTPStatusCode(), api.ErrorCode(), api.ErrorMessage())
		}
		return api
	}
	var sent *smithyhttp.RequestSendError
	if errors.As(err, &sent) {
		return sent.Err
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}
