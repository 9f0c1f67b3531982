package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sartor-vpa/sartor/pkg/policy"
	"github.com/sartor-vpa/sartor/pkg/usage"
)

var _ = []pflag.Value{&amount{}, &optionalAmount{}, &maximum{}, &choice{}, &only{}}

// amount is a flag of a number of units, each of so many millicores or bytes. Fractions of these are dropped.
type amount struct {
	to   *usage.Amount
	unit float64
}

func (a *amount) String() string {
	if a.to == nil {
		return "0"
	}
	return strconv.FormatFloat(float64(*a.to)/a.unit, 'f', -1, 64)
}

func (a *amount) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v*a.unit > float64(usage.MaxAmount) {
		return fmt.Errorf("must be a number from 0 to %g", float64(usage.MaxAmount)/a.unit)
	}
	*a.to = usage.Truncate(v * a.unit)
	return nil
}

func (*amount) Type() string { return "float" }

// optionalAmount is an amount that negative numbers unset.
type optionalAmount struct {
	to   **usage.Amount
	unit float64
}

func (a *optionalAmount) String() string {
	if a.to == nil || *a.to == nil {
		return "-1"
	}
	return (&amount{*a.to, a.unit}).String()
}

func (a *optionalAmount) Set(s string) error {
	if v, err := strconv.ParseFloat(s, 64); err == nil && v < 0 {
		*a.to = nil
		return nil
	}
	set := new(usage.Amount)
	if err := (&amount{set, a.unit}).Set(s); err != nil {
		return fmt.Errorf("%w, or negative", err)
	}
	*a.to = set
	return nil
}

func (*optionalAmount) Type() string { return "float" }

// maximum is a flag of a bound of one resource. Nothing and zero unset it.
type maximum struct {
	to   *corev1.ResourceList
	name corev1.ResourceName
}

func (m *maximum) String() string {
	if m.to == nil {
		return ""
	}
	q, ok := (*m.to)[m.name]
	if !ok {
		return ""
	}
	return q.String()
}

func (m *maximum) Set(s string) error {
	if s == "" {
		s = "0"
	}
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return fmt.Errorf("must be a quantity, like 4 or 500m of CPU and 8Gi of memory: %w", err)
	}
	if q.IsZero() {
		delete(*m.to, m.name)
		return nil
	}
	if !policy.Sane(m.name, q) {
		return errors.New("must be an amount that a container can have")
	}
	if *m.to == nil {
		*m.to = corev1.ResourceList{}
	}
	(*m.to)[m.name] = q
	return nil
}

func (*maximum) Type() string { return "quantity" }

// choice is a flag of two words, of which the second is true. Nothing stands for the first.
type choice struct {
	to      *bool
	no, yes string
}

func (c *choice) String() string {
	if c.to != nil && *c.to {
		return c.yes
	}
	return c.no
}

func (c *choice) Set(s string) error {
	if s != "" && s != c.no && s != c.yes {
		return fmt.Errorf("must be %s or %s", c.no, c.yes)
	}
	*c.to = s == c.yes
	return nil
}

func (*choice) Type() string { return "string" }

// only is a flag that can have one value.
type only struct{ value string }

func (o *only) String() string { return o.value }

func (o *only) Set(s string) error {
	if s != o.value {
		return fmt.Errorf("must be %s; there is no other", o.value)
	}
	return nil
}

func (*only) Type() string { return "string" }
