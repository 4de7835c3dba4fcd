// Built with whatever Go is there: Debian 12 has 1.19, so nothing here needs a later one.
module kedge/tlog

go 1.18

require golang.org/x/mod v0.17.0
