package wheel

// Device is one piece of device code of a wheel, wherever it lies.
type Device struct {
	Member string
	Kind   Kind
	Arch   Arch
	Size   int64
	Cubin  *Cubin
}
