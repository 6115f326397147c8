"""Eliminations as the plainest loops over matrices of counting numbers."""

from __future__ import annotations


def eliminated(a):
    """Turn a matrix into its factors, in place: U on and above the diagonal, L below; return the order of its rows."""
    order = list(range(len(a)))
    for k in range(len(a) - 1):
        best, largest = k, abs(a[k][k])
        for i in range(k + 1, len(a)):
            size = abs(a[i][k])
            if size > largest:
                best, largest = i, size
        a[k], a[best], order[k], order[best] = a[best], a[k], order[best], order[k]
        for i in range(k + 1, len(a)):
            factor = a[i][k] / a[k][k]
            a[i][k] = factor
            for j in range(k + 1, len(a)):
                a[i][j] = a[i][j] - factor * a[k][j]
    return order


def det(tally, matrix):
    rows = [list(row) for row in matrix]
    order = eliminated(rows)
    if not rows:
        return tally.number(1)
    result = rows[0][0]
    for k in range(1, len(rows)):
        result = result * rows[k][k]
    return -result if is_odd(order) else result


def is_odd(order):
    """Return whether it takes an odd number of swaps to get this order."""
    return sum(one > other for place, one in enumerate(order) for other in order[place + 1 :]) % 2 == 1


def inverse(tally, matrix):
    rows = [list(row) for row in matrix]
    order, n = eliminated(rows), len(matrix)
    columns = []
    for column in range(n):
        y = [tally.number(order[row] == column) for row in range(n)]
        for i in range(n):
            for j in range(i):
                y[i] = y[i] - rows[i][j] * y[j]
        for i in reversed(range(n)):
            for j in range(i + 1, n):
                y[i] = y[i] - rows[i][j] * y[j]
            y[i] = y[i] / rows[i][i]
        columns.append(y)
    return [[columns[j][i] for j in range(n)] for i in range(n)]


def sparse_product(tally, stored, b, rows):
    """Return A * B for the stored elements of A: a number by its row and column."""
    y = [[tally.number(0) for _ in range(b.shape[1])] for _ in range(rows)]
    for (m, k), number in stored.items():
        for n in range(b.shape[1]):
            y[m][n] = y[m][n].mac(number, b[k, n])
    return y
