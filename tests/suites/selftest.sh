# The suite is proven: every vector, every case against the reference gateway, every mutation caught; and the control without a gateway.
"$MOHS" selftest --ui none || exit 1
"$MOHS" check --profile mock-direct --ui none || exit 1
