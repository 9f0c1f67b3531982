package certs

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func authority(t *testing.T, now time.Time) *Authority {
	a, err := NewAuthority(now)
	require.NoError(t, err)
	return a
}

func TestTheSecretKeepsAllThatARotationIsMadeOf(t *testing.T) {
	s := state{current: authority(t, epoch), next: authority(t, epoch), retired: []retired{
		{authority(t, epoch).certificate(), epoch}, {authority(t, epoch).certificate(), epoch.Add(time.Hour)},
	}}
	data := map[string][]byte{"other": []byte("stays")}
	s.into(data)
	got, err := parseState(data)
	require.NoError(t, err)
	require.True(t, got.current.same(s.current))
	require.True(t, got.next.same(s.next))
	require.Len(t, got.retired, 2)
	for i := range got.retired {
		require.True(t, got.retired[i].certificate.Equal(s.retired[i].certificate))
		require.True(t, got.retired[i].until.Equal(s.retired[i].until))
	}

	state{current: s.current}.into(data)
	require.Len(t, data, 3, "what is over leaves nothing behind")
	require.Equal(t, "stays", string(data["other"]))
}

func TestWhatMakesNoSenseInTheSecretIsNamed(t *testing.T) {
	one, two := authority(t, epoch), authority(t, epoch)
	for name, tc := range map[string]struct {
		spoil func(map[string][]byte)
		want  string
	}{
		"the next one's key":   {func(d map[string][]byte) { d[nextKeyKey] = one.keyPEM }, "next.crt and next.key"},
		"the next one's alone": {func(d map[string][]byte) { delete(d, nextKeyKey) }, "next.crt and next.key"},
		"no time":              {func(d map[string][]byte) { d[retiredKey] = two.certificates.pem() }, "retired.crt: header Trusted-Until"},
		"no certificate": {func(d map[string][]byte) {
			d[retiredKey] = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}, "retired.crt"},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			state{current: one, next: two}.into(data)
			tc.spoil(data)
			_, err := parseState(data)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestClocksThatDifferDoNotFightOverARetiredAuthority(t *testing.T) {
	old, current := authority(t, epoch), authority(t, epoch)
	until := epoch.Add(overlap)
	s := state{current: current, retired: []retired{{old.certificate(), until}}}
	both, one := current.certificates.with(old.certificate()), current.certificates
	for name, tc := range map[string]struct {
		now       time.Time
		published bundle
		want      bundle
	}{
		"before its end it is published":         {until.Add(-time.Second), one, both},
		"at its end it is not published anew":    {until, one, one},
		"and stays where it is":                  {until, both, both},
		"until nobody would publish it any more": {until.Add(grace - time.Second), both, both},
		"then it goes":                           {until.Add(grace), both, one},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want.pem(), s.wanted(tc.now, tc.published).pem())
		})
	}
}

func TestAnAuthorityThatHasEndedIsReplacedAtOnce(t *testing.T) {
	s := state{current: authority(t, epoch)}
	never := func(*Authority) bool { return false }
	got, news, err := s.turn(view{now: epoch.Add(2 * authorityLife), settled: never})
	require.NoError(t, err)
	require.Len(t, news, 2)
	require.False(t, got.current.same(s.current))
	require.Nil(t, got.next)

	unpublished := authority(t, epoch)
	got, _, err = state{current: authority(t, epoch.Add(authorityLife/2)), next: unpublished}.turn(view{now: epoch.Add(authorityLife * 3 / 4), settled: never})
	require.NoError(t, err)
	require.Nil(t, got.next, "one that waited for too long is given up")
}

func FuzzParseStateTakesAnything(f *testing.F) {
	one, err := NewAuthority(epoch)
	if err != nil {
		f.Fatal(err)
	}
	data := map[string][]byte{}
	state{current: one, retired: []retired{{one.certificate(), epoch}}}.into(data)
	f.Add(data[certificateKey], data[keyKey], data[retiredKey])
	f.Add([]byte("x"), []byte(""), []byte("-----BEGIN CERTIFICATE-----\nTrusted-Until: never\n\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, certificate, key, retired []byte) {
		s, err := parseState(map[string][]byte{certificateKey: certificate, keyKey: key, retiredKey: retired})
		if err != nil {
			return
		}
		data := map[string][]byte{}
		s.into(data)
		again, err := parseState(data)
		require.NoError(t, err)
		same := func(a, b *x509.Certificate) bool { return a.Equal(b) }
		require.Len(t, again.known(), len(s.known()))
		for i, c := range s.known() {
			require.True(t, same(c, again.known()[i]))
		}
	})
}
