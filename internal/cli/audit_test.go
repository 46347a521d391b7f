package cli

import (
	"context"
	"errors"
	"testing"

	"github.com/sagebuild/sagebuild/internal/audit"
)

// Ctrl-C ends an audit of many wheels before the last of them, and is no success.
func TestAuditIsInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	// Of several wheels, one that is not there has a report, and would be no error.
	if reports, err := auditAll(ctx, audit.Options{}, []string{"a.whl", "b.whl"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%d reports, error %v", len(reports), err)
	}
}
