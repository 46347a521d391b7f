// Command sagebuild turns a PyTorch × CUDA × Python matrix into tested wheels of SageAttention.
package main

import (
	"os"

	"github.com/sagebuild/sagebuild/internal/cli"
)

func main() { os.Exit(cli.Process()) }
