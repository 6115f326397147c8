"""Steps of training as the specification's pseudo code, number by number."""

from __future__ import annotations


def regularized(x, g, norm):
    return norm * x + g if norm else g


def adagrad(_tally, r, t, tensors, *, norm_coefficient, decay_factor, epsilon):
    rate = r / (1.0 + t * decay_factor) if decay_factor else r
    found = []
    for x, g, h in zip(*tensors, strict=True):
        gradient = regularized(x, g, norm_coefficient)
        h_new = h + gradient * gradient
        found.append((x - rate * gradient / (h_new.sqrt() + epsilon), h_new))
    return found


def adam(tally, r, t, tensors, *, alpha, beta, epsilon, norm_coefficient, norm_coefficient_post):
    rate = r
    if t > 0:
        powers = [tally.number(one).pow(float(t)) for one in (beta, alpha)]
        rate = r * (1.0 - powers[0]).sqrt() / (1.0 - powers[1])
    found = []
    for x, g, v, h in zip(*tensors, strict=True):
        gradient = regularized(x, g, norm_coefficient)
        v_new = alpha * v + (1 - alpha) * gradient
        h_new = beta * h + (1 - beta) * gradient * gradient
        x_new = x - rate * v_new / (h_new.sqrt() + epsilon)
        found.append(((1 - norm_coefficient_post) * x_new if norm_coefficient_post else x_new, v_new, h_new))
    return found


def momentum(_tally, r, t, tensors, *, alpha, beta, mode, norm_coefficient):
    factor = beta if t > 0 else 1.0
    found = []
    for x, g, v in zip(*tensors, strict=True):
        gradient = regularized(x, g, norm_coefficient)
        v_new = alpha * v + factor * gradient
        step = gradient + alpha * v_new if mode == "nesterov" else v_new
        found.append((x - r * step, v_new))
    return found
