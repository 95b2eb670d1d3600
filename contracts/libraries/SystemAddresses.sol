// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Fixed addresses of the system contracts
/// @notice Equal to contracts/addresses.py in every network's genesis; a test compares the two.
library SystemAddresses {
    address internal constant CONSORTIUM = address(0x1001);
    address internal constant BANKING_CALENDAR = address(0x1002);
    address internal constant DOCUMENT_REGISTRY = address(0x1003);
    address internal constant FINANCING_REGISTRY = address(0x1004);
    address internal constant LETTER_OF_CREDIT_FACTORY = address(0x1005);
    address internal constant INVOICE_FINANCING_FACTORY = address(0x1006);
    address internal constant LETTER_OF_CREDIT = address(0x1007);
    address internal constant INVOICE_FINANCING = address(0x1008);

    /// @notice The only caller of `initialize` functions; nobody holds its key.
    address internal constant GENESIS_SENDER = address(0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE);
}
