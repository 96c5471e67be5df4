package s3

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/scrub/store"
)

// A Home is a Bucket for what bitmend makes itself, such as parity files. It
// may therefore remove blobs. No store of the user's is opened as one.
type Home struct{ *Bucket }

// OpenHome is Open for a Home.
func OpenHome(name, url string, options Options) (*Home, error) {
	b, err := Open(name, url, options)
	if err != nil {
		return nil, err
	}
	return &Home{b}, nil
}

// Remove removes an object; where the bucket keeps versions, its current
// version becomes an older one. ErrNotFound when there is none.
func (h *Home) Remove(ctx context.Context, name string) error {
	if _, err := h.head(ctx, name, ""); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("remove: %w", err)
		}
		return err
	}
	key := h.prefix + name
	return h.call(ctx, "remove", name, func(ctx context.Context, client *sdk.Client) error {
		_, err := client.DeleteObject(ctx, &sdk.DeleteObjectInput{Bucket: &h.bucket, Key: &key})
		return err
	})
}

var _ store.Remover = (*Home)(nil)
