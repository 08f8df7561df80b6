"""States of the network, and the law of a random one."""

from quadlib.state.overlaps import Overlaps as Overlaps
from quadlib.state.overlaps import Weights as Weights
from quadlib.state.overlaps import check_start as check_start
from quadlib.state.overlaps import loss as loss
from quadlib.state.overlaps import scaled_covariance as scaled_covariance
from quadlib.state.overlaps import teacher_split as teacher_split
from quadlib.state.random import random_overlaps as random_overlaps
from quadlib.state.random import random_weights as random_weights
