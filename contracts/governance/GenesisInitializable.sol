// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";

/// @title A system contract whose storage is filled once, while genesis is made
/// @notice Runtime code goes straight into genesis, so there are no constructors; nobody holds the genesis sender's key,
/// so nothing can be initialised on a living chain.
abstract contract GenesisInitializable is Initializable {
    /// @notice Only genesis making may call this.
    error NotGenesis(address caller);

    modifier onlyGenesis() {
        if (msg.sender != SystemAddresses.GENESIS_SENDER) revert NotGenesis(msg.sender);
        _;
    }
}
