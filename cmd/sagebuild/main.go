// Command sagebuild turns a PyTorch × CUDA × Python matrix into tested wheels of SageAttention.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/sagebuild/sagebuild/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default handling is back, so that a second one ends a run that does not stop.
	context.AfterFunc(ctx, stop)
	code := cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
