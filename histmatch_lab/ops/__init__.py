"""The costly operations as operators of PyTorch: its tools take each as a whole, not its loops.

Each module has an operator, its gradient as a second one, and the ``autograd.Function`` that ties
the two, in the form that ``torch.func`` takes. ``torch.compile`` and ``torch.export`` see one node.
"""
