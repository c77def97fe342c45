// How a weight matrix is laid out for the multiply tiles; see README.md, "Packs".
#pragma once

#include <stddef.h>

#include "kernels/call.h"

namespace lstm {

class Team;

// Which element of a weight W stands at depth k and column n of the packed operand B, so that a kernel computes A · B.
enum class PackKind {
  columns,    // B(k, n) = W[n][k]: y = x · Wᵀ
  rows,       // B(k, n) = W[k][n]: dx = dy · W
  gates3,     // B(k, (unit, gate)) = W[gate · H + unit][k]: the three gates of a unit stand in the same panel
  gates4,     // the same for four gates
  gru_gates,  // as gates3, but r and z of a panel's units stand before n, so that each of the two is one stream
  // W [4H, H / heads], block-diagonal by head; k runs over the hidden units that a panel's heads see (multiply/heads.h)
  heads4,       // as gates4
  heads4_rows,  // B((gate, k), n) = W[gate · H + k][n - first of the head] within a head, else 0: dh = dgates · W
};

}  // namespace lstm
