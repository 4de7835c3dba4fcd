//go:build programs

// Names what is built, so that the module requires what it needs.
package kubernetes

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
