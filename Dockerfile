# syntax=docker/dockerfile:1
# Both programs' images, one target each, for every platform that Go and the base have:
#   docker buildx build --target recommender --platform linux/amd64,linux/arm64 $(make -s image-args) -t REGISTRY/recommender:TAG --push .
# What is compiled is what make build makes, to the byte, of the same commit with the same Go. The images hold the program, the
# base's certificates and, because the licences ask for it, the licences of all that the program is compiled of. They run as nobody.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY recommender recommender
COPY admission admission
COPY pkg pkg
# There is no repository in here to ask which version this is: see make image-args.
ARG VERSION= COMMIT= DATE= TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/sartor-vpa/sartor/pkg/version.number=$VERSION -X github.com/sartor-vpa/sartor/pkg/version.commit=$COMMIT -X github.com/sartor-vpa/sartor/pkg/version.date=$DATE" \
    -o /out/ ./recommender ./admission

FROM gcr.io/distroless/static-debian12:nonroot AS base
COPY LICENSE third_party/licences.txt /licenses/
USER 65532:65532

FROM base AS recommender
COPY --from=build /out/recommender /recommender
ENTRYPOINT ["/recommender"]

FROM base AS admission
COPY --from=build /out/admission /admission
ENTRYPOINT ["/admission"]
