"""The reward model: pCTR of an ad in an answer (arXiv 2512.10551, Eq. 3 and 4), fitted on click feedback.

`impressions` (the rows) -> `features` (frozen `encoders` of the texts, `placement` in the answer) -> `network` -> `fit`
(with `split` and `calibration`) -> `model` (predict, save, load); `metrics` and `plots` say how good it is.
"""
