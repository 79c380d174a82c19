"""The pure centre: values, one flow, one decision; no I/O, clock, randomness, threads or async.

Everything else is a driver, a store or a surface around what stands here. Read in this order: `action`,
`effect`, `decision`, `outcome`, `commands`, `flow`, `admission`, `settlement`, `store`.
"""
