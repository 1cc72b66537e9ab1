"""A process that measures experiments of the book for another: python -m hubel.book.worker"""

from __future__ import annotations

from hubel.book.measuring import measured
from hubel.runtime.children import serve

if __name__ == "__main__":
    serve(measured)
